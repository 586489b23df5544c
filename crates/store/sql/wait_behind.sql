-- Its time has come, and it waits for those that are before it, to which it is linked.
UPDATE tasks
SET status = $2, not_before = NULL, updated_at = $3, since = $3,
    pending_parents = (SELECT count(CASE WHEN l.met_at IS NULL THEN 1 END) FROM task_links AS l
                       WHERE l.child_id = tasks.id)
WHERE id = $1
