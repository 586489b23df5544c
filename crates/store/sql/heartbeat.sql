-- Fenced: the worker is alive; without a new note the last one stays.
UPDATE runs SET heartbeat_at = $4, note = coalesce($5, note)
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
