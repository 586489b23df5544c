-- Moves a task to where the pure core said; the streaks and the block go with it.
UPDATE tasks
SET status = $2, not_before = $3, block_kind = $4, block_reason = $5, failures = $6,
    violations = $7, defers = $8, benign = $9, lost = $10, archived_at = $11, updated_at = $12,
    since = CASE WHEN status = $2 THEN since ELSE $12 END,
    current_run_id = NULL, blocks = $13, pending_parents = $14
WHERE id = $1
