-- Whether some parents ended already, and how; held, so that none ends between this look and the link.
SELECT id, status, block_kind FROM tasks
WHERE id = ANY (ARRAY(SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST($1 AS JSON))))
ORDER BY id
FOR SHARE
