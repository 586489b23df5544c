-- New tasks, each a list of its columns, in their order; no row for one whose key is taken.
INSERT INTO tasks (batch_id, name, title, body, assignee, command, cwd, env, skills, limits, priority,
                   status, pending_parents, not_before, idempotency_key, fingerprint, request_id,
                   queued_at, lane, limit_key, key_limit, recurrence, created_by, created_by_run,
                   requires, created_at, updated_at, since)
SELECT CAST(task ->> 0 AS BIGINT), task ->> 1, task ->> 2, task ->> 3, task ->> 4, task ->> 5, task ->> 6,
       task ->> 7, task ->> 8, task ->> 9, CAST(task ->> 10 AS BIGINT), task ->> 11,
       CAST(task ->> 12 AS BIGINT), CAST(task ->> 13 AS BIGINT), task ->> 14, task ->> 15, task ->> 16,
       CAST(task ->> 17 AS BIGINT), task ->> 18, task ->> 19, CAST(task ->> 20 AS BIGINT), task ->> 21,
       task ->> 22, CAST(task ->> 23 AS BIGINT), task ->> 24, $2, $2, $2
FROM jsonb_array_elements(CAST($1 AS JSONB)) WITH ORDINALITY AS element (task, place)
ORDER BY place
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id, request_id
