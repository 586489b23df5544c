-- The poll of an idle dispatcher: 2 where a claim could find something, 1 where it could later, else
-- 0. It costs the number of profiles, however many tasks wait that are paused.
WITH RECURSIVE waiting (assignee) AS (
    SELECT min(assignee) FROM tasks WHERE status = 'ready' AND paused_at IS NULL
    UNION ALL
    SELECT (SELECT min(t.assignee) FROM tasks AS t
            WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee > waiting.assignee)
    FROM waiting WHERE waiting.assignee IS NOT NULL
)
SELECT CAST(CASE
    WHEN EXISTS (SELECT 1 FROM waiting
                 WHERE waiting.assignee IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM pauses
                                   WHERE what IN ('store', 'profile:' || waiting.assignee)))
      OR EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled' AND paused_at IS NULL
                 AND not_before <= coalesce(CAST($1 AS BIGINT),
                     CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)))
    THEN 2
    WHEN EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled') THEN 1
    ELSE 0
END AS BIGINT) AS number
