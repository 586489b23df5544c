-- Another profile is to do it.
UPDATE tasks SET assignee = $2, updated_at = $3 WHERE id = $1
