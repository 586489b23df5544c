-- A person's remark; no row where there is no such task.
INSERT INTO comments (task_id, author, text, created_at)
SELECT id, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT) FROM tasks WHERE id = $1
