-- How many tasks of a batch stand where. A paused one waits for a person, and is not counted.
SELECT status, count(*) AS number FROM tasks
WHERE batch_id = $1 AND (paused_at IS NULL OR status = 'running')
GROUP BY status
