-- Fenced: records what a limit or a shutdown asks; what was asked before stands.
UPDATE runs SET ask = $4, ask_by = $5, asked_at = $6
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
  AND ask IS NULL
