-- The poll of an idle dispatcher: 2 where a claim could find something, 1 where it could later, else 0.
SELECT CASE
    WHEN EXISTS (SELECT 1 FROM tasks WHERE status = 'ready')
      OR EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled' AND paused_at IS NULL
                 AND not_before <= coalesce($1, CAST(unixepoch('subsec') * 1000 AS INTEGER)))
    THEN 2
    WHEN EXISTS (SELECT 1 FROM tasks WHERE status = 'scheduled') THEN 1
    ELSE 0
END AS number
