-- The newest remarks on a task, newest first.
SELECT author, run_id, text, created_at FROM comments WHERE task_id = $1
ORDER BY id DESC LIMIT $2
