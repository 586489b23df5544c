-- Tasks that run with a limit key, over the whole store.
SELECT id, since FROM tasks WHERE status = 'running' AND limit_key = $1 ORDER BY id LIMIT $2
