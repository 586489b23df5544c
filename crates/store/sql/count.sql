-- How many tasks of one status there are.
SELECT count(*) AS number FROM tasks
WHERE status = $1 AND (CAST($2 AS TEXT) IS NULL OR assignee = $2)
