-- One task.
SELECT id, title, status, assignee, priority, block_kind, block_reason, not_before, current_run_id,
       attempts, failures, violations, defers, benign, lost, name, batch_id, idempotency_key, body,
       command, cwd, env, skills, requires, limits, created_at, updated_at, archived_at,
       since, queued_at, limit_key, key_limit, paused_at, blocks, created_by, created_by_run,
       recurrence, series_id, result
FROM tasks WHERE id = $1
