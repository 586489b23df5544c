-- Those that were chosen in each lane: the one writer of SQLite is alone, so they are there.
SELECT t.id, t.title, t.body, t.assignee, t.command, t.cwd, t.env, t.limits, t.attempts,
       t.queued_at - t.priority * 3600000 AS place
FROM json_each($1) AS wanted
CROSS JOIN json_each(wanted.value, '$.tasks') AS chosen
CROSS JOIN tasks AS t ON t.id = chosen.value
WHERE t.id NOT IN (SELECT value FROM json_each($2))
