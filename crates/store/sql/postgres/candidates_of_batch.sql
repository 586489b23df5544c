-- What may be claimed of a profile, highest priority first, oldest first among equals.
SELECT id, title, body, assignee, command, cwd, env, limits, priority, attempts FROM tasks
WHERE status = 'ready' AND batch_id = $3 AND assignee = $1
ORDER BY priority DESC, id LIMIT $2
FOR NO KEY UPDATE SKIP LOCKED
