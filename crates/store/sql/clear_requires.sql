-- It requires no labels any more, which is another lane.
UPDATE tasks SET requires = '[]', lane = $2, updated_at = $3 WHERE id = $1
