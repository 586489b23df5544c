-- Fenced: pushes leases out, and brings what was asked meanwhile. A run that somebody writes to at
-- this moment is left out instead of waited for: no lease hangs on the lock of another run.
WITH shown AS MATERIALIZED (
    SELECT CAST(value ->> 'task' AS BIGINT) AS task_id, CAST(value ->> 'run' AS BIGINT) AS run_id,
           value ->> 'lock' AS claim_lock
    FROM json_array_elements(CAST($1 AS JSON))
), free AS MATERIALIZED (
    SELECT runs.run_id
    FROM shown JOIN runs ON runs.run_id = shown.run_id AND runs.task_id = shown.task_id
                        AND runs.claim_lock = shown.claim_lock AND runs.ended_at IS NULL
    FOR NO KEY UPDATE OF runs SKIP LOCKED
)
UPDATE runs SET lease_until = $2 FROM free
WHERE runs.run_id = free.run_id AND runs.ended_at IS NULL
RETURNING runs.run_id, runs.ask
