-- What a person wants something of.
SELECT status, current_run_id, block_kind, pending_parents, not_before, failures, violations,
       defers, benign, lost, blocks
FROM tasks WHERE id = $1
