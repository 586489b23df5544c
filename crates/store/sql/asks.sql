-- What is asked of the open runs of a dispatcher.
SELECT run_id, ask FROM runs
WHERE dispatcher_id = $1 AND ended_at IS NULL AND ask IS NOT NULL
ORDER BY run_id
