-- The children that wait for some tasks, held before their links are read: what another one did to
-- them meanwhile is seen by the statement after this one.
SELECT t.id AS number FROM task_links AS l JOIN tasks AS t ON t.id = l.child_id
WHERE l.parent_id = ANY (ARRAY(SELECT CAST(value AS BIGINT)
                         FROM json_array_elements_text(CAST($1 AS JSON))))
  AND l.met_at IS NULL
ORDER BY t.id
FOR NO KEY UPDATE OF t
