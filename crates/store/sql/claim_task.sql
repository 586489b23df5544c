-- A claim gives the task its run.
UPDATE tasks SET status = $2, current_run_id = $3, attempts = $4, updated_at = $5,
    since = $5
WHERE id = $1
