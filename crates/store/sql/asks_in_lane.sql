-- What the first tasks of a lane ask of whoever runs them.
SELECT id, batch_id, key_limit, since, updated_at, command, env, limits FROM tasks
WHERE status = 'ready' AND paused_at IS NULL AND assignee = $1 AND lane = $2
ORDER BY queued_at - priority * 3600000, id LIMIT $3
