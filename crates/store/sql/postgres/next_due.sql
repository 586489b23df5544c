-- When the next scheduled task is due.
SELECT min(not_before) AS number FROM tasks WHERE status = 'scheduled' AND paused_at IS NULL
