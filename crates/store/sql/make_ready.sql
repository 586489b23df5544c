-- Its time has come, and says nothing more; unless something else became of it meanwhile.
UPDATE tasks SET status = $2, not_before = NULL, updated_at = $3,
    since = $3
WHERE id = $1 AND status = 'scheduled'
