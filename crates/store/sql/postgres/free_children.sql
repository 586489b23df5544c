-- Tasks of which links were met: they wait for as many parents as they have links that are not.
UPDATE tasks
SET pending_parents = (SELECT count(CASE WHEN l.met_at IS NULL THEN 1 END) FROM task_links AS l
                       WHERE l.child_id = tasks.id),
    status = $2, updated_at = $3, since = CASE WHEN status = $2 THEN since ELSE $3 END
WHERE id = ANY (ARRAY(SELECT CAST(value AS BIGINT)
                         FROM json_array_elements_text(CAST($1 AS JSON))))
