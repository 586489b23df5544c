-- The poll of an idle dispatcher: 2 where a claim could find something, 1 where it could later, else
-- 0. It costs the number of profiles, however many tasks wait that are paused. Left to itself SQLite takes the index on
-- status, and scans.
WITH RECURSIVE waiting (assignee) AS (
    SELECT min(assignee) FROM tasks INDEXED BY ready_by_lane
    WHERE status = 'ready' AND paused_at IS NULL
    UNION ALL
    SELECT (SELECT min(t.assignee) FROM tasks AS t INDEXED BY ready_by_lane
            WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee > waiting.assignee)
    FROM waiting WHERE waiting.assignee IS NOT NULL
)
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM waiting
                 WHERE waiting.assignee IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM pauses
                                   WHERE what IN ('store', 'profile:' || waiting.assignee)))
      OR EXISTS (SELECT 1 FROM tasks INDEXED BY scheduled_by_time
                 WHERE status = 'scheduled' AND paused_at IS NULL
                 AND not_before <= coalesce($1, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
    THEN 2
    WHEN EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled') THEN 1
    ELSE 0
END AS number
