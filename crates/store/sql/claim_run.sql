-- A claim makes a run. The limits are copied, so that what was decided holds until it closes.
INSERT INTO runs (task_id, attempt, dispatcher_id, claim_lock, profile, limits, claimed_at, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING run_id AS number
