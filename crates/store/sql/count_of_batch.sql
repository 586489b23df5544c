-- How many tasks of one status and one batch there are, counted up to a bound.
-- In the order of its index, for the reason that `list.sql` gives.
SELECT count(*) AS number FROM (
    SELECT 1 FROM tasks
    WHERE status BETWEEN $1 AND $1 AND (CAST($2 AS TEXT) IS NULL OR assignee = $2) AND batch_id = $4
    ORDER BY status, id LIMIT $3
) AS counted
