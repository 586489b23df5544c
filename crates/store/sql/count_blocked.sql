-- How many tasks wait for a person and were not put away, counted up to a bound.
SELECT count(*) AS number FROM (
    SELECT 1 FROM tasks WHERE status = 'blocked' AND archived_at IS NULL LIMIT $1
) AS counted
