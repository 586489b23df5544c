-- Fenced: writes down the worker's own pid.
UPDATE runs SET pid = $4
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
