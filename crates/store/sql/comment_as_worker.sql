-- Fenced: a worker's remark.
INSERT INTO comments (task_id, run_id, author, text, created_at)
SELECT task_id, run_id, CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT) FROM runs
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
