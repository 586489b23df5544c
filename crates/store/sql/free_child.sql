-- One parent less to wait for.
UPDATE tasks SET pending_parents = $2, status = $3, updated_at = $4 WHERE id = $1
