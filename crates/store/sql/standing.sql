-- Where a task and its current run stand: what every check and every refusal is made of.
SELECT t.status, t.current_run_id, r.claim_lock, r.ask, r.lease_until, r.started_at
FROM tasks t LEFT JOIN runs r ON r.run_id = t.current_run_id
WHERE t.id = $1
