-- How many tasks of one status and one batch there are, counted up to a bound.
SELECT count(*) AS number FROM (
    SELECT 1 FROM tasks
    WHERE status = $1 AND (CAST($2 AS TEXT) IS NULL OR assignee = $2) AND batch_id = $4
    LIMIT $3
) AS counted
