-- The links of a task to its children that are finished go with it.
DELETE FROM task_links
WHERE parent_id = $1
  AND (SELECT t.status FROM tasks AS t WHERE t.id = child_id) IN ('done', 'cancelled')
