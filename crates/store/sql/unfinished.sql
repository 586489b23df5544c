-- How many tasks that are not over stand where; those that were put away are not counted.
SELECT (SELECT count(*) FROM tasks WHERE status = 'todo') AS todo,
       (SELECT count(*) FROM tasks WHERE status = 'scheduled') AS scheduled,
       (SELECT count(*) FROM tasks WHERE status = 'ready') AS ready,
       (SELECT count(*) FROM tasks WHERE status = 'running') AS running,
       (SELECT count(*) FROM tasks WHERE status = 'blocked' AND archived_at IS NULL) AS blocked
