-- What of a batch is not done, and a task, and what they wait for, directly and through others: each once
-- for every link that keeps it, and whether it was cancelled because what it waits for did not happen.
WITH RECURSIVE above (id) AS (
    SELECT id FROM tasks WHERE batch_id = $1 AND status <> 'done'
    UNION
    SELECT CAST($2 AS BIGINT)
    UNION
    SELECT l.parent_id FROM above
    JOIN tasks c ON c.id = above.id AND c.status = 'todo'
    JOIN task_links l ON l.child_id = c.id AND l.met_at IS NULL
)
SELECT t.id, t.title, t.status, t.assignee, t.batch_id, t.paused_at, l.parent_id,
       CASE WHEN t.status = 'cancelled' AND EXISTS (
                SELECT 1 FROM task_links n JOIN tasks p ON p.id = n.parent_id
                WHERE n.child_id = t.id AND n.kind = 'failure' AND p.status IN ('done', 'cancelled'))
            THEN CAST(1 AS BIGINT) ELSE 0 END AS not_needed
FROM above JOIN tasks t ON t.id = above.id
LEFT JOIN task_links l ON l.child_id = t.id AND l.met_at IS NULL AND t.status = 'todo'
ORDER BY t.id, l.parent_id
