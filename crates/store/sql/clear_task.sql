-- An archived task, if it still is one that may go: a child that waits for it keeps it, and so does
-- what hooks have yet to be told of it.
DELETE FROM tasks
WHERE id = $1 AND archived_at < $2 AND status IN ('done', 'cancelled')
  AND NOT EXISTS (SELECT 1 FROM task_links AS l WHERE l.parent_id = $1)
  AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.task_id = $1)
