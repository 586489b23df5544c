-- How many tasks of one status and one assignee there are, counted up to a bound.
SELECT count(*) AS number FROM (
    SELECT 1 FROM tasks WHERE assignee = $3 AND status = $1
      AND ($4 = 1 OR archived_at IS NULL) LIMIT $2
) AS counted
