-- Nobody wants this task any more, because a parent ended otherwise than it waits for.
UPDATE tasks SET status = $2, block_kind = NULL, block_reason = NULL, updated_at = $3, since = $3
WHERE id = $1
