-- Some parents ended as these links ask. From now on they say nothing more, whatever becomes of them.
UPDATE task_links SET met_at = $3
WHERE parent_id = ANY (ARRAY(SELECT CAST(value AS BIGINT)
                         FROM json_array_elements_text(CAST($1 AS JSON))))
  AND kind = $2 AND met_at IS NULL
