-- Scheduled tasks whose time has come.
SELECT id, pending_parents FROM tasks
WHERE status = 'scheduled' AND not_before <= $1
ORDER BY not_before LIMIT $2
