-- Scheduled tasks whose time has come. Left to itself SQLite takes the index on status, and sorts.
SELECT id, pending_parents, not_before, created_at, series_id,
       CASE WHEN attempts = 0 THEN recurrence END AS recurrence
FROM tasks INDEXED BY scheduled_by_time
WHERE status = 'scheduled' AND paused_at IS NULL AND not_before <= $1
ORDER BY not_before LIMIT $2
