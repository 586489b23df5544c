-- How many tasks of one status there are, counted up to a bound.
SELECT count(*) AS number FROM (SELECT 1 FROM tasks WHERE status = $1 LIMIT $2) AS counted
