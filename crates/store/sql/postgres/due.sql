-- Scheduled tasks whose time has come and that nobody else is making ready.
SELECT id, pending_parents FROM tasks
WHERE status = 'scheduled' AND not_before <= $1
ORDER BY not_before LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
