-- Fenced: pushes the lease out, and brings what was asked meanwhile.
UPDATE runs SET lease_until = $4
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
RETURNING ask
