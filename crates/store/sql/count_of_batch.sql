-- How many tasks of one status and one batch there are.
SELECT count(*) AS number FROM tasks
WHERE status = $1 AND (CAST($2 AS TEXT) IS NULL OR assignee = $2) AND batch_id = $3
