-- What a person wants something of.
SELECT status, current_run_id, pending_parents, not_before, failures, violations, defers, benign,
       lost, blocks, archived_at, block_kind, block_reason, assignee, paused_at
FROM tasks WHERE id = $1
