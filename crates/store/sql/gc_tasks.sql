-- Finished tasks that were archived before a time and that nothing needs any more: a key is a promise
-- for ever, what an unfinished child waits for stays, and so does what hooks have yet to be told of.
SELECT t.id, t.archived_at FROM tasks t
WHERE t.archived_at < $1 AND (t.archived_at, t.id) > ($3, $4)
  AND t.status <> 'blocked' AND coalesce(t.idempotency_key, '') = ''
  AND NOT EXISTS (SELECT 1 FROM task_links l JOIN tasks c ON c.id = l.child_id
                  WHERE l.parent_id = t.id AND c.status NOT IN ('done', 'cancelled'))
  AND NOT EXISTS (SELECT 1 FROM events e WHERE e.task_id = t.id AND e.id > $5 AND e.at >= $6)
ORDER BY t.archived_at, t.id LIMIT $2
