-- Nobody wants these tasks any more. Their streaks, their time and what put them away stay.
UPDATE tasks SET status = $2, block_kind = NULL, block_reason = NULL, updated_at = $3, since = $3
WHERE id IN (SELECT value FROM json_each($1))
