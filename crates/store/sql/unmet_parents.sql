-- The parents that a task waits for.
SELECT t.id, t.title, t.status, t.block_kind, t.since, l.kind
FROM task_links l JOIN tasks t ON t.id = l.parent_id
WHERE l.child_id = $1 AND l.met_at IS NULL
ORDER BY l.parent_id LIMIT $2
