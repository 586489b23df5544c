-- Fenced: records the worker's word; the first stands, and none where a person took the task away.
UPDATE runs SET report_id = $4, report = $5, reported_at = $6
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
  AND report IS NULL AND (ask IS NULL OR ask IN ('timeout', 'silence', 'shutdown'))
