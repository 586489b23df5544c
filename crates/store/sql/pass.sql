-- Its time passes without a run, and it waits for the next one.
UPDATE tasks SET not_before = $2, queued_at = $2, updated_at = $3 WHERE id = $1
