-- How many run with a limit key, over the whole store.
SELECT count(*) AS number FROM tasks WHERE status = 'running' AND limit_key = $1
