-- How many failures a task waits for that will not come by themselves: their parents ended otherwise.
SELECT count(*) AS number FROM task_links AS l JOIN tasks AS t ON t.id = l.parent_id
WHERE l.child_id = $1 AND l.met_at IS NULL AND l.kind = 'failure'
  AND t.status IN ('done', 'cancelled')
