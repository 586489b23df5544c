-- Nobody wants these tasks any more. Their streaks, their time and what put them away stay.
UPDATE tasks SET status = $2, block_kind = NULL, block_reason = NULL, updated_at = $3, since = $3
WHERE id = ANY (ARRAY(SELECT CAST(value AS BIGINT)
                         FROM json_array_elements_text(CAST($1 AS JSON))))
