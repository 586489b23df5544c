-- Fenced: a run that is open and whose lease ended before a time.
SELECT started_at FROM runs
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL AND lease_until < $4
