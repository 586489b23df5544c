-- The children that wait for a task, and for which end of it.
SELECT t.id, t.status, t.pending_parents, t.not_before, l.kind,
       CAST(CASE WHEN t.recurrence IS NOT NULL AND t.attempts = 0 AND t.not_before IS NOT NULL
            THEN 1 ELSE 0 END AS BIGINT) AS unbegun
FROM task_links l JOIN tasks t ON t.id = l.child_id
WHERE l.parent_id = $1 AND l.met_at IS NULL
ORDER BY l.child_id
