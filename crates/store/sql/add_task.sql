-- A new task; no row where its key is taken.
INSERT INTO tasks (batch_id, name, title, body, assignee, command, cwd, env, skills, limits, priority,
                   status, pending_parents, not_before, idempotency_key, fingerprint, request_id,
                   created_at, updated_at, since, queued_at, lane, limit_key, key_limit,
                   recurrence, created_by, created_by_run, requires)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $18,
        $18, $19, $20, $21, $22, $23, $24, $25, $26)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id AS number
