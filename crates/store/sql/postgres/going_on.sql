-- The earlier ones of a series that are going on, the newest first: one that will be tried again is.
-- Held, so that none ends between this look and the link to it.
SELECT id AS number FROM tasks
WHERE series_id = $1 AND id < $2
  AND status IN ('todo', 'scheduled', 'ready', 'running') AND (status <> 'scheduled' OR attempts > 0)
ORDER BY id DESC LIMIT $3
FOR NO KEY UPDATE
