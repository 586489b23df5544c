-- The children that wait for some tasks; the one writer holds them already.
SELECT l.child_id AS number FROM task_links AS l
WHERE l.parent_id IN (SELECT value FROM json_each($1)) AND l.met_at IS NULL
