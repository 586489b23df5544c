-- It requires no skills any more, which is another lane.
UPDATE tasks SET skills = '[]', lane = $2, updated_at = $3 WHERE id = $1
