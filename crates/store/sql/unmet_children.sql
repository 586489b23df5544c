-- The unfinished tasks that wait for a task.
SELECT l.child_id AS id FROM task_links AS l JOIN tasks AS t ON t.id = l.child_id
WHERE l.parent_id = $1 AND l.met_at IS NULL AND t.status NOT IN ('done', 'cancelled')
ORDER BY l.child_id LIMIT $2
