-- The open run of a task.
SELECT run_id FROM runs WHERE task_id = $1 AND ended_at IS NULL
