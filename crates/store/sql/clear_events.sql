-- The events of a page that may go: of finished tasks, and of the store as a whole.
DELETE FROM events
WHERE id > $1 AND id <= $2 AND at < $3
  AND NOT (id > $4 AND at >= $5)
  AND (task_id IS NULL OR EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id
                                  AND t.status IN ('done', 'cancelled')))
