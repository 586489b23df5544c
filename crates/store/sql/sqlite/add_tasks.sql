-- New tasks, each a list of its columns, in their order; no row for one whose key is taken.
INSERT INTO tasks (batch_id, name, title, body, assignee, command, cwd, env, skills, limits, priority,
                   status, pending_parents, not_before, idempotency_key, fingerprint, request_id,
                   queued_at, lane, limit_key, key_limit, recurrence, created_by, created_by_run,
                   requires, created_at, updated_at, since)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
       value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
       value ->> 15, value ->> 16, value ->> 17, value ->> 18, value ->> 19, value ->> 20, value ->> 21,
       value ->> 22, value ->> 23, value ->> 24, $2, $2, $2
FROM json_each($1) WHERE true ORDER BY key
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id, request_id
