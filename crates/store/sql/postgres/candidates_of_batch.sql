-- Holds as many of the best of each lane as were chosen there, without some that were looked at, and no more: whoever finds one held by
-- somebody else takes the next one, and waits for nobody.
SELECT best.* FROM json_array_elements(CAST($1 AS JSON)) AS wanted (value), LATERAL (
    SELECT t.id, t.title, t.body, t.assignee, t.command, t.cwd, t.env, t.limits, t.attempts,
           t.queued_at - t.priority * 3600000 AS place
    FROM tasks AS t
    WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.batch_id = $3
      AND t.assignee = wanted.value ->> 'profile' AND t.lane = wanted.value ->> 'lane'
      AND t.id NOT IN (SELECT CAST(value AS BIGINT)
                       FROM json_array_elements_text(CAST($2 AS JSON)))
    ORDER BY t.queued_at - t.priority * 3600000, t.id LIMIT json_array_length(wanted.value -> 'tasks')
    FOR NO KEY UPDATE SKIP LOCKED
) AS best
