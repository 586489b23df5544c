-- Fenced: pushes leases out, and brings what was asked meanwhile.
WITH shown AS (
    SELECT value ->> '$.task' AS task_id, value ->> '$.run' AS run_id,
           value ->> '$.lock' AS claim_lock
    FROM json_each($1)
)
UPDATE runs SET lease_until = $2 FROM shown
WHERE runs.run_id = shown.run_id AND runs.task_id = shown.task_id
  AND runs.claim_lock = shown.claim_lock AND runs.ended_at IS NULL
RETURNING run_id, ask
