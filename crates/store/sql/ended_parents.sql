-- Tasks that wait for a parent which ended otherwise than they ask, among the first links that are
-- not met.
SELECT l.child_id AS id, l.parent_id, p.title AS parent_title, p.status AS parent_status,
       (SELECT count(*) FROM task_links AS o
        WHERE o.child_id = l.child_id AND o.parent_id <> l.parent_id AND o.met_at IS NULL) AS others
FROM (SELECT parent_id, child_id FROM task_links
      WHERE met_at IS NULL AND kind = 'success' AND parent_id > 0
      ORDER BY parent_id, child_id LIMIT $1) AS l
JOIN tasks AS p ON p.id = l.parent_id
JOIN tasks AS c ON c.id = l.child_id
WHERE (p.status = 'cancelled' OR (p.status = 'blocked' AND p.block_kind = 'gave_up'))
  AND c.status = 'todo'
LIMIT $2
