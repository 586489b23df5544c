-- The newest run's id.
SELECT coalesce(max(run_id), 0) AS number FROM runs
