-- The runs of a task that is to be cleared away, while it still is.
SELECT r.run_id AS number FROM runs AS r JOIN tasks AS t ON t.id = r.task_id
WHERE r.task_id = $1 AND r.ended_at IS NOT NULL
  AND t.archived_at IS NOT NULL AND t.status IN ('done', 'cancelled')
