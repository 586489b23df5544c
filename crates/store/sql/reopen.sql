-- What was over begins anew: what came of it counts no more, and it queues up behind those that wait.
UPDATE tasks SET result = NULL, queued_at = $2 WHERE id = $1
