-- How many of a page of events may go, and how much they hold: what hooks have yet to be told of stays.
SELECT count(*) AS rows, CAST(coalesce(sum(length(payload)), 0) AS BIGINT) AS bytes FROM events
WHERE id > $1 AND id <= $2 AND at < $3
  AND NOT (id > $4 AND at >= $5)
  AND (task_id IS NULL OR EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_id
                                  AND t.status IN ('done', 'cancelled')))
