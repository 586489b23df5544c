-- Records what a person asks; what a person asked before stands, a limit or a shutdown gives way.
UPDATE runs
SET ask = $2, ask_by = $3, ask_reason = $4, ask_block_kind = $5, asked_at = $6, ask_assignee = $7
WHERE run_id = $1 AND ended_at IS NULL AND report IS NULL
  AND (ask IS NULL OR ask IN ('timeout', 'silence', 'shutdown'))
