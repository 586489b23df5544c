-- When the next scheduled task is due. Left to itself SQLite takes the index on status, and scans.
SELECT min(not_before) AS number FROM tasks INDEXED BY scheduled_by_time
WHERE status = 'scheduled' AND paused_at IS NULL
