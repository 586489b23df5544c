-- The links of a task to its children, all finished, go with it.
DELETE FROM task_links WHERE parent_id = $1
