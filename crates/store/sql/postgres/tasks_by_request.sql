-- What an earlier try of the same requests added.
SELECT id, request_id, batch_id FROM tasks
WHERE request_id = ANY (ARRAY(SELECT json_array_elements_text(CAST($1 AS JSON))))
