-- The newest events that are about the store as a whole, or about a profile.
SELECT kind, at FROM events WHERE task_id IS NULL ORDER BY id DESC LIMIT $1
