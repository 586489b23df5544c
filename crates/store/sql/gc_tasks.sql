-- Finished tasks that were archived before a time and that nothing needs any more: a key is a promise
-- for ever, and what an unfinished child waits for stays.
SELECT t.id AS number FROM tasks t
WHERE t.archived_at < $1 AND t.status <> 'blocked' AND coalesce(t.idempotency_key, '') = ''
  AND NOT EXISTS (SELECT 1 FROM task_links l JOIN tasks c ON c.id = l.child_id
                  WHERE l.parent_id = t.id AND c.status NOT IN ('done', 'cancelled'))
ORDER BY t.archived_at LIMIT $2
