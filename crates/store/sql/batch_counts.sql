-- How many tasks of a batch stand where.
SELECT status, count(*) AS number FROM tasks WHERE batch_id = $1 GROUP BY status
