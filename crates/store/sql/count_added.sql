-- Fenced: the run's worker adds one more task; no row where it may not, or has added its share.
UPDATE runs SET added = added + 1
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
  AND (ask IS NULL OR ask IN ('timeout', 'silence', 'shutdown')) AND added < $4
