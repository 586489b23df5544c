-- How many parents a task waits for. All its links are looked at, because an index of those that are
-- not met begins with the parent, and PostgreSQL might walk the whole of it.
SELECT count(CASE WHEN met_at IS NULL THEN 1 END) AS number FROM task_links WHERE child_id = $1
