-- What waits for a task, or waited for it.
SELECT t.id, t.title, t.status, l.kind, l.met_at FROM task_links l JOIN tasks t ON t.id = l.child_id
WHERE l.parent_id = $1
ORDER BY l.child_id
