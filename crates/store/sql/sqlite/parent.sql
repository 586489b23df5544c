-- Whether a parent is done.
SELECT status FROM tasks WHERE id = $1
