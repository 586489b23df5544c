-- A task waits for as many parents as it has links that are not met.
UPDATE tasks
SET pending_parents = (SELECT count(CASE WHEN l.met_at IS NULL THEN 1 END) FROM task_links AS l
                       WHERE l.child_id = tasks.id)
WHERE id = $1
