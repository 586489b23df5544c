-- Why the newest earlier attempts at a task were blocked by their workers, newest first.
SELECT run_id, reason FROM runs
WHERE task_id = $1 AND run_id < $2 AND outcome = 'blocked' AND (ask IS NULL OR ask <> 'block')
ORDER BY attempt DESC LIMIT $3
