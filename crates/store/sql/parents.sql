-- What a task waits for, or waited for.
SELECT t.id, t.title, t.status, l.kind, l.met_at FROM task_links l JOIN tasks t ON t.id = l.parent_id
WHERE l.child_id = $1
ORDER BY l.parent_id
