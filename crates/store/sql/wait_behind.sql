-- Its time has come, and it waits for so many that are before it.
UPDATE tasks SET status = $2, pending_parents = $3, not_before = NULL, updated_at = $4, since = $4
WHERE id = $1
