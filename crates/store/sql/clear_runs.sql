-- The runs of a task go with it.
DELETE FROM runs WHERE task_id = $1 AND ended_at IS NOT NULL
