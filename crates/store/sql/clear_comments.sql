-- The remarks on a task go with it.
DELETE FROM comments WHERE task_id = $1
