-- What an earlier try of the same requests added.
SELECT id, request_id, batch_id FROM tasks WHERE request_id IN (SELECT value FROM json_each($1))
