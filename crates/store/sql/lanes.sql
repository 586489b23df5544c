-- The lanes of a profile in which something waits, one step of the index for each.
WITH RECURSIVE lanes (lane) AS (
    SELECT min(lane) FROM tasks
    WHERE status = 'ready' AND paused_at IS NULL AND assignee = $1
    UNION ALL
    SELECT (SELECT min(t.lane) FROM tasks AS t
            WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee = $1
              AND t.lane > lanes.lane)
    FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lane FROM lanes WHERE lane IS NOT NULL
