-- A task waits no more for failures that will not come by themselves.
UPDATE task_links SET met_at = $2
WHERE child_id = $1 AND met_at IS NULL AND kind = 'failure'
  AND (SELECT t.status FROM tasks AS t WHERE t.id = parent_id) IN ('done', 'cancelled')
