-- The tasks that wait for a task.
SELECT child_id AS id FROM task_links
WHERE parent_id = $1 AND met_at IS NULL
ORDER BY child_id LIMIT $2
