-- Scheduled tasks whose time has come. Left to itself SQLite takes the index on status, and sorts.
SELECT id, pending_parents FROM tasks INDEXED BY scheduled_by_time
WHERE status = 'scheduled' AND not_before <= $1
ORDER BY not_before LIMIT $2
