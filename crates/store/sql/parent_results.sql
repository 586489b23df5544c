-- What came of a task's parents: the report of the run that completed each.
SELECT t.id, t.title, t.status,
       (SELECT r.report FROM runs r WHERE r.task_id = t.id AND r.outcome = 'completed'
        ORDER BY r.attempt DESC LIMIT 1) AS report
FROM task_links l JOIN tasks t ON t.id = l.parent_id
WHERE l.child_id = $1
ORDER BY l.parent_id
