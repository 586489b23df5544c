-- What waits in a lane: the first of its order, how many there are, counted up to a bound, and since
-- when the longest of the first of them waits.
SELECT id, batch_id, key_limit, updated_at,
       (SELECT count(*) FROM (SELECT 1 FROM tasks AS t
                              WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee = $1
                                AND t.lane = $2 LIMIT $3) AS waiting) AS number,
       (SELECT min(first.since)
        FROM (SELECT t.since FROM tasks AS t
              WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee = $1 AND t.lane = $2
              ORDER BY t.queued_at - t.priority * 3600000, t.id LIMIT $4) AS first) AS since
FROM tasks
WHERE status = 'ready' AND paused_at IS NULL AND assignee = $1 AND lane = $2
ORDER BY queued_at - priority * 3600000, id LIMIT 1
