-- How the newest earlier attempts at a task ended, newest first.
SELECT run_id, attempt, outcome, reason, ended_at FROM runs
WHERE task_id = $1 AND run_id < $2 AND ended_at IS NOT NULL
ORDER BY attempt DESC LIMIT $3
