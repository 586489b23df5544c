-- A task and all that waits for it, directly or through others, up to a bound; held until each has moved.
WITH RECURSIVE below (id) AS (
    SELECT CAST($1 AS BIGINT)
    UNION
    SELECT l.child_id FROM below JOIN task_links AS l ON l.parent_id = below.id
    WHERE l.met_at IS NULL
)
SELECT t.id, t.title, t.status, t.current_run_id FROM tasks AS t
WHERE t.id IN (SELECT id FROM below LIMIT $2)
ORDER BY t.id
FOR NO KEY UPDATE OF t
