-- What a task still waits for.
SELECT t.id, t.status FROM task_links l JOIN tasks t ON t.id = l.parent_id
WHERE l.child_id = $1 AND l.met_at IS NULL
ORDER BY l.parent_id
