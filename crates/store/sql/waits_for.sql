-- How many tasks a task waits for, directly and through others, itself counted, and whether one of
-- them is the other one.
WITH RECURSIVE above (id) AS (
    SELECT CAST($1 AS BIGINT)
    UNION
    SELECT l.parent_id FROM above JOIN task_links l ON l.child_id = above.id
    WHERE l.met_at IS NULL
)
SELECT count(*) AS seen, count(CASE WHEN id = $2 THEN 1 END) AS found
FROM (SELECT id FROM above LIMIT $3) AS looked_at
