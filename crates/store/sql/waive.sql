-- A task waits for none of its parents any more.
UPDATE task_links SET met_at = $2 WHERE child_id = $1 AND met_at IS NULL
