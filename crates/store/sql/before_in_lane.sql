-- How many tasks of a lane stand before a place in its order, counted up to a bound.
SELECT count(*) AS number FROM (
    SELECT 1 FROM tasks
    WHERE status = 'ready' AND paused_at IS NULL AND assignee = $1 AND lane = $2
      AND queued_at - priority * 3600000 <= $3
      AND (queued_at - priority * 3600000 < $3 OR id < $4)
    LIMIT $5
) AS before
