-- The best places in each of these lanes: highest priority first, oldest first among equals;
-- without some that were looked at.
SELECT wanted.key AS lane, t.id, t.queued_at - t.priority * 3600000 AS place
FROM json_each($1) AS wanted CROSS JOIN tasks AS t
WHERE t.id IN (SELECT id FROM tasks
               WHERE status = 'ready' AND paused_at IS NULL
                 AND assignee = wanted.value ->> '$.profile' AND lane = wanted.value ->> '$.lane'
                 AND id NOT IN (SELECT value FROM json_each($3))
               ORDER BY queued_at - priority * 3600000, id LIMIT $2)
