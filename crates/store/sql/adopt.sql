-- Fenced: a run goes from the hands of one dispatcher to those of another, once.
UPDATE runs SET dispatcher_id = $5, epoch = epoch + 1
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
  AND dispatcher_id = $4 AND epoch = $6
RETURNING epoch, ask
