-- The events of a task go with it, but for those that hooks have yet to be told of.
DELETE FROM events WHERE task_id = $1 AND NOT (id > $2 AND at >= $3)
