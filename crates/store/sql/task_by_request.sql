-- What an earlier try of the same request added.
SELECT id, batch_id FROM tasks WHERE request_id = $1
