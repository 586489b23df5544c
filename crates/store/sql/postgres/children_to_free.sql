-- The children of a task that is done, held until each has one parent less to wait for.
SELECT id, status, pending_parents, not_before FROM tasks
WHERE id IN (SELECT child_id FROM task_links WHERE parent_id = $1)
ORDER BY id
FOR NO KEY UPDATE
