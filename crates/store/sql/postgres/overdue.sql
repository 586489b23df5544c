-- How many scheduled tasks are due, counted up to a bound, and one of them.
SELECT count(*) AS number, min(due.id) AS first
FROM (SELECT id FROM tasks WHERE status = 'scheduled' AND paused_at IS NULL AND not_before <= $1
      ORDER BY not_before LIMIT $2) AS due
