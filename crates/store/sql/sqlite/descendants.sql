-- A task and all that waits for it, directly or through others.
WITH RECURSIVE below (id) AS (
    SELECT CAST($1 AS BIGINT)
    UNION
    SELECT l.child_id FROM task_links AS l JOIN below ON l.parent_id = below.id
)
SELECT t.id, t.title, t.status FROM tasks AS t WHERE t.id IN (SELECT id FROM below)
ORDER BY t.id
