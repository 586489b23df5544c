-- Reports of a run that were refused, oldest first, up to a bound.
SELECT payload FROM events WHERE task_id = $1 AND run_id = $2 AND kind = 'report_refused'
ORDER BY id LIMIT $3
