-- How many scheduled tasks are due, counted up to a bound, and one of them.
-- Left to itself SQLite takes the index on status, which is of everything.
SELECT count(*) AS number, min(due.id) AS first
FROM (SELECT id FROM tasks INDEXED BY scheduled_by_time
      WHERE status = 'scheduled' AND paused_at IS NULL AND not_before <= $1
      ORDER BY not_before LIMIT $2) AS due
