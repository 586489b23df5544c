-- Tasks that wait for a parent which ended otherwise than they ask, among the first links of unfinished
-- ones that are not met. SQLite joins in this order: parents that ended are ever more.
SELECT looked_at.child_id AS id, looked_at.parent_id, p.title AS parent_title, p.status AS parent_status,
       (SELECT count(*) FROM task_links AS o
        WHERE o.child_id = looked_at.child_id AND o.parent_id <> looked_at.parent_id
          AND o.met_at IS NULL) AS others
FROM (SELECT waiting.parent_id, waiting.child_id
      FROM tasks AS c CROSS JOIN task_links AS waiting
      WHERE c.status = 'todo' AND waiting.child_id = c.id
        AND waiting.met_at IS NULL AND waiting.kind = 'success'
      ORDER BY c.id, waiting.parent_id LIMIT $1) AS looked_at
CROSS JOIN tasks AS p
WHERE p.id = looked_at.parent_id
  AND (p.status = 'cancelled' OR (p.status = 'blocked' AND p.block_kind = 'gave_up'))
LIMIT $2
