-- Fenced: a run that is open and whose lease ended before a time; held until it is closed. Whoever finds
-- it held leaves it to who holds it.
SELECT r.started_at
FROM runs r JOIN tasks t ON t.id = r.task_id
WHERE r.task_id = $1 AND r.run_id = $2 AND r.claim_lock = $3 AND r.ended_at IS NULL
  AND r.lease_until < $4
FOR NO KEY UPDATE SKIP LOCKED
