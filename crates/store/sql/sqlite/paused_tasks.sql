-- Tasks that a person keeps from starting; those between two ids.
-- Left to itself SQLite takes the index on status, which is of everything.
SELECT id, status, paused_at FROM tasks INDEXED BY paused_tasks
WHERE paused_at IS NOT NULL AND status IN ('todo', 'scheduled', 'ready') AND +id BETWEEN $1 AND $2
ORDER BY id LIMIT $3
