-- How many run with each limit key, over the whole store.
SELECT limit_key, count(*) AS number FROM tasks
WHERE status = 'running' AND limit_key IS NOT NULL
GROUP BY limit_key
