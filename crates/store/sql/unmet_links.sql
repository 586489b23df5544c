-- How many parents a task waits for.
SELECT count(*) AS number FROM task_links WHERE child_id = $1 AND met_at IS NULL
