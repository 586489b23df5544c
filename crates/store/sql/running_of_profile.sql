-- How many of a profile run, over the whole store.
SELECT count(*) AS number FROM tasks WHERE status = 'running' AND assignee = $1
