-- Whether there is a task, or whether it was cleared away.
SELECT count(*) AS number FROM tasks WHERE id = $1
