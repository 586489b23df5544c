-- The links of those that wait for some tasks, and how many links of each child are not met.
SELECT l.parent_id, l.kind, t.id, t.status, t.not_before,
       (SELECT count(CASE WHEN u.met_at IS NULL THEN 1 END) FROM task_links AS u
        WHERE u.child_id = t.id) AS unmet,
       CAST(CASE WHEN t.recurrence IS NOT NULL AND t.attempts = 0 AND t.not_before IS NOT NULL
            THEN 1 ELSE 0 END AS BIGINT) AS unbegun
FROM task_links AS l JOIN tasks AS t ON t.id = l.child_id
WHERE l.parent_id IN (SELECT value FROM json_each($1)) AND l.met_at IS NULL
ORDER BY t.id, l.parent_id
