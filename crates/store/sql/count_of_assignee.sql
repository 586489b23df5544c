-- How many tasks of one status and one assignee there are, counted up to a bound.
-- In the order of its index, for the reason that `list.sql` gives.
SELECT count(*) AS number FROM (
    SELECT 1 FROM tasks WHERE assignee = $3 AND status BETWEEN $1 AND $1
      AND ($4 = 1 OR archived_at IS NULL) ORDER BY status, id LIMIT $2
) AS counted
