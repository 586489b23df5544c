-- What was asked of a run, and what it reported.
SELECT ask, report, ended_at FROM runs WHERE run_id = $1
