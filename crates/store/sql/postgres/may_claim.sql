-- The poll of an idle dispatcher: 2 where a claim could find something, 1 where it could later, else 0.
SELECT CAST(CASE
    WHEN EXISTS (SELECT 1 FROM tasks WHERE status = 'ready')
      OR EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled' AND paused_at IS NULL
                 AND not_before <= coalesce(CAST($1 AS BIGINT),
                     CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)))
    THEN 2
    WHEN EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled') THEN 1
    ELSE 0
END AS BIGINT) AS number
