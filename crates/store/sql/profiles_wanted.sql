-- Every profile that a task names, one step of the index for each, and the first task of it that
-- nobody has started yet.
WITH RECURSIVE profiles (assignee) AS (
    SELECT min(assignee) FROM tasks
    UNION ALL
    SELECT (SELECT min(t.assignee) FROM tasks AS t WHERE t.assignee > profiles.assignee)
    FROM profiles WHERE profiles.assignee IS NOT NULL
)
SELECT assignee AS profile,
       coalesce((SELECT min(t.id) FROM tasks AS t
                 WHERE t.assignee = profiles.assignee AND t.status = 'ready'),
                (SELECT min(t.id) FROM tasks AS t
                 WHERE t.assignee = profiles.assignee AND t.status = 'scheduled'),
                (SELECT min(t.id) FROM tasks AS t
                 WHERE t.assignee = profiles.assignee AND t.status = 'todo')) AS first
FROM profiles WHERE assignee IS NOT NULL
