-- The links of a task to its parents go with it.
DELETE FROM task_links WHERE child_id = $1
