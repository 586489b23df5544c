-- The profiles for which something waits that may start, one step of the index for each.
WITH RECURSIVE profiles (assignee) AS (
    SELECT min(assignee) FROM tasks WHERE status = 'ready' AND paused_at IS NULL
    UNION ALL
    SELECT (SELECT min(t.assignee) FROM tasks AS t
            WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee > profiles.assignee)
    FROM profiles WHERE profiles.assignee IS NOT NULL
)
SELECT assignee AS profile FROM profiles WHERE assignee IS NOT NULL
