-- What came of a task's parents: what the run that completed each reported, or whoever completed it
-- by hand, and how its newest run ended.
SELECT t.id, t.title, t.status, l.kind, r.outcome, r.reason,
       coalesce(t.result, (SELECT c.report FROM runs c WHERE c.task_id = t.id AND c.outcome = 'completed'
                           ORDER BY c.attempt DESC LIMIT 1)) AS report
FROM task_links l JOIN tasks t ON t.id = l.parent_id
LEFT JOIN runs r ON r.task_id = t.id AND r.attempt = t.attempts
WHERE l.child_id = $1
ORDER BY l.parent_id
