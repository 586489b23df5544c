-- The newest events of a task, newest first.
SELECT id, task_id, run_id, kind, at, payload FROM events WHERE task_id = $1
ORDER BY id DESC LIMIT $2
