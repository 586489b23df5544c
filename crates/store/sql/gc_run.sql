-- A run, when it ended, and where its task stands.
SELECT r.ended_at, t.status FROM runs r JOIN tasks t ON t.id = r.task_id WHERE r.run_id = $1
