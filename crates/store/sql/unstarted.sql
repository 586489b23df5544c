-- What a claim whose answer was lost left behind.
SELECT task_id, run_id, claim_lock FROM runs
WHERE dispatcher_id = $1 AND ended_at IS NULL AND started_at IS NULL
ORDER BY run_id
