-- The earlier ones of a series that are going on, the newest first: one that will be tried again is.
SELECT id AS number FROM tasks INDEXED BY going_on
WHERE series_id = $1 AND id < $2
  AND status IN ('todo', 'scheduled', 'ready', 'running') AND (status <> 'scheduled' OR attempts > 0)
ORDER BY id DESC LIMIT $3
