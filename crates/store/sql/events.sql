-- Events after one, in the order of writing.
SELECT id, task_id, run_id, kind, at, payload FROM events
WHERE id > $1 AND (CAST($3 AS TEXT) IS NULL OR kind = $3)
ORDER BY id LIMIT $2
