-- Tasks of a profile that run, over the whole store.
SELECT id, since FROM tasks WHERE assignee = $1 AND status = 'running' ORDER BY id LIMIT $2
