-- Tasks that were blocked before a time, and of which nobody spoke since, longest first; those
-- between two ids.
SELECT id, block_kind, block_reason, since FROM tasks
WHERE status = 'blocked' AND archived_at IS NULL AND since <= $1 AND +id BETWEEN $2 AND $3
  AND NOT EXISTS (SELECT 1 FROM comments AS c WHERE c.task_id = tasks.id AND c.created_at > $1)
ORDER BY since LIMIT $4
