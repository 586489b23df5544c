-- The best places in each of these lanes: highest priority first, oldest first among equals;
-- without some that were looked at. Nothing is held.
SELECT wanted.number - 1 AS lane, best.id, best.place
FROM json_array_elements(CAST($1 AS JSON)) WITH ORDINALITY AS wanted (value, number), LATERAL (
    SELECT t.id, t.queued_at - t.priority * 3600000 AS place
    FROM tasks AS t
    WHERE t.status = 'ready' AND t.paused_at IS NULL AND t.batch_id = $4
      AND t.assignee = wanted.value ->> 'profile' AND t.lane = wanted.value ->> 'lane'
      AND t.id NOT IN (SELECT CAST(value AS BIGINT)
                       FROM json_array_elements_text(CAST($3 AS JSON)))
    ORDER BY t.queued_at - t.priority * 3600000, t.id LIMIT $2
) AS best
