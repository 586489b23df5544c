-- What a person mends.
SELECT status, current_run_id, skills, requires, lane, blocks, pending_parents, not_before, failures,
       violations, defers, benign, lost
FROM tasks WHERE id = $1
