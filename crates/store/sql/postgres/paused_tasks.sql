-- Tasks that a person keeps from starting; those between two ids.
SELECT id, status, paused_at FROM tasks
WHERE paused_at IS NOT NULL AND status IN ('todo', 'scheduled', 'ready') AND +id BETWEEN $1 AND $2
ORDER BY id LIMIT $3
