-- One task.
SELECT id, title, status, assignee, priority, block_kind, block_reason, not_before, current_run_id,
       attempts, failures, violations, defers, benign, lost, name, batch_id, idempotency_key, body,
       command, cwd, env, skills, limits, created_at, updated_at, archived_at
FROM tasks WHERE id = $1
