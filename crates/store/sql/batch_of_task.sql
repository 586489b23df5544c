-- The batch of a task, where it has one.
SELECT batch_id FROM tasks WHERE id = $1
