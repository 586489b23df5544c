-- How many events of a task are not older than a time, and how much they hold.
SELECT count(*) AS rows, CAST(coalesce(sum(length(payload)), 0) AS BIGINT) AS bytes FROM events
WHERE task_id = $1 AND at >= $2
