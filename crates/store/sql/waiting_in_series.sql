-- Those of a series that wait for one of it, directly or through others.
WITH RECURSIVE below (id) AS (
    SELECT CAST($2 AS BIGINT)
    UNION
    SELECT l.child_id FROM below JOIN task_links l ON l.parent_id = below.id
    WHERE l.met_at IS NULL
)
SELECT t.id AS number
FROM (SELECT id FROM below LIMIT $3) AS looked_at JOIN tasks t ON t.id = looked_at.id
WHERE t.series_id = $1 AND t.id <> $2
