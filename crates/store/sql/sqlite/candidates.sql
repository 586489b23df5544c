-- The best of each lane of a profile: highest priority first, oldest first among equals;
-- without some that were looked at.
SELECT t.id, t.title, t.body, t.assignee, t.command, t.cwd, t.env, t.limits, t.attempts, t.limit_key,
       t.key_limit, t.queued_at - t.priority * 3600000 AS place
FROM json_each($3) AS wanted CROSS JOIN tasks AS t
WHERE t.id IN (SELECT id FROM tasks
               WHERE status = 'ready' AND paused_at IS NULL AND assignee = $1
                 AND lane = wanted.value
                 AND id NOT IN (SELECT value FROM json_each($4))
               ORDER BY queued_at - priority * 3600000, id LIMIT $2)
