-- The parents of one task that ended otherwise than it asks.
SELECT l.child_id AS id, l.parent_id, p.title AS parent_title, p.status AS parent_status,
       (SELECT count(*) FROM task_links AS o
        WHERE o.child_id = l.child_id AND o.parent_id <> l.parent_id AND o.met_at IS NULL) AS others
FROM task_links AS l
JOIN tasks AS p ON p.id = l.parent_id
JOIN tasks AS c ON c.id = l.child_id
WHERE l.child_id = $1 AND l.met_at IS NULL AND l.kind = 'success'
  AND (p.status = 'cancelled' OR (p.status = 'blocked' AND p.block_kind = 'gave_up'))
  AND c.status = 'todo'
