-- The events of a task go with it.
DELETE FROM events WHERE task_id = $1
