-- Whether a task may start at all, and since when it may not.
UPDATE tasks SET paused_at = $2, updated_at = $3 WHERE id = $1
