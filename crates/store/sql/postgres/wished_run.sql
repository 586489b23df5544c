-- What was asked of a run, and what it reported; held until the wish is recorded.
SELECT ask, report, ended_at FROM runs WHERE run_id = $1 FOR NO KEY UPDATE
