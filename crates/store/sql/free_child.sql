-- One parent less to wait for.
UPDATE tasks SET pending_parents = $2, status = $3, updated_at = $4,
    since = CASE WHEN status = $3 THEN since ELSE $4 END
WHERE id = $1
