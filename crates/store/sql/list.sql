-- A page of the tasks of one status, oldest first; those that were put away only where asked for.
-- The status stands between itself, so that its index alone gives the order: by ids alone PostgreSQL
-- would read past all that ended before.
SELECT id, title, status, assignee, priority, block_kind, block_reason, not_before, current_run_id,
       attempts, failures, violations, defers, benign, lost, name, batch_id, idempotency_key, body,
       command, cwd, env, skills, requires, limits, created_at, updated_at, archived_at,
       since, queued_at, limit_key, key_limit, paused_at, blocks, created_by, created_by_run,
       recurrence, series_id, result
FROM tasks
WHERE status BETWEEN $1 AND $1 AND ($3 = 1 OR archived_at IS NULL)
ORDER BY status, id LIMIT $2
