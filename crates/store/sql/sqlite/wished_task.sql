-- What a person wants something of.
SELECT status, current_run_id, pending_parents, not_before, failures, violations, defers, benign,
       lost, blocks, archived_at, block_kind, block_reason, assignee, paused_at,
       CAST(CASE WHEN recurrence IS NOT NULL AND attempts = 0 AND not_before IS NOT NULL
            THEN 1 ELSE 0 END AS BIGINT) AS unbegun
FROM tasks WHERE id = $1
