-- Fenced: closes the run. The one statement that writes an outcome.
UPDATE runs SET seen = $4, outcome = $5, reason = $6, tree_unverified = $7, ended_at = $8
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
