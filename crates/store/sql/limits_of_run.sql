-- The limits in force for a run, read before its start, which alone decides whether it may.
SELECT limits FROM runs WHERE run_id = $1
