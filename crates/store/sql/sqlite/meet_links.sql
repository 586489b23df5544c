-- Some parents ended as these links ask. From now on they say nothing more, whatever becomes of them.
UPDATE task_links SET met_at = $3
WHERE parent_id IN (SELECT value FROM json_each($1)) AND kind = $2 AND met_at IS NULL
