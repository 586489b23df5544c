-- The best of each lane of a profile: highest priority first, oldest first among equals;
-- without some that were looked at.
SELECT best.* FROM json_array_elements_text(CAST($3 AS JSON)) AS wanted (lane), LATERAL (
    SELECT t.id, t.title, t.body, t.assignee, t.command, t.cwd, t.env, t.limits, t.attempts, t.limit_key,
           t.key_limit, t.queued_at - t.priority * 3600000 AS place
    FROM tasks AS t
    WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.assignee = $1
      AND t.lane = wanted.lane
      AND t.id NOT IN (SELECT CAST(value AS BIGINT)
                       FROM json_array_elements_text(CAST($4 AS JSON)))
    ORDER BY t.queued_at - t.priority * 3600000, t.id LIMIT $2
    FOR NO KEY UPDATE SKIP LOCKED
) AS best
