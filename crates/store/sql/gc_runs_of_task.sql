-- The runs of a task that is to be cleared away.
SELECT run_id AS number FROM runs WHERE task_id = $1
