-- What a person wants something of, held until it has moved.
SELECT status, current_run_id, block_kind, pending_parents, not_before, failures, violations,
       defers, benign, lost, blocks
FROM tasks WHERE id = $1
FOR NO KEY UPDATE
