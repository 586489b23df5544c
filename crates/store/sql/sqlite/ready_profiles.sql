-- The profiles for which something waits that may start, one step of the index for each.
-- Left to itself SQLite takes the index on status, which is of everything.
WITH RECURSIVE profiles (assignee) AS (
    SELECT min(assignee) FROM tasks INDEXED BY ready_by_lane WHERE status = 'ready' AND paused_at IS NULL
    UNION ALL
    SELECT (SELECT min(t.assignee) FROM tasks AS t INDEXED BY ready_by_lane
            WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee > profiles.assignee)
    FROM profiles WHERE profiles.assignee IS NOT NULL
)
SELECT assignee AS profile FROM profiles WHERE assignee IS NOT NULL
