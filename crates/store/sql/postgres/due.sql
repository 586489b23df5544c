-- Scheduled tasks whose time has come and that nobody else is making ready.
SELECT id, pending_parents, not_before, created_at, series_id,
       CASE WHEN attempts = 0 THEN recurrence END AS recurrence
FROM tasks
WHERE status = 'scheduled' AND paused_at IS NULL AND not_before <= $1
ORDER BY not_before LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
