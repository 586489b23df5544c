-- Tasks that are held by a run which is closed, gone or another task's. Every run's id is greater
-- than nothing: so said, the index of held tasks is searched.
SELECT t.id, t.current_run_id AS run_id FROM tasks AS t
LEFT JOIN runs AS r ON r.run_id = t.current_run_id
WHERE t.current_run_id > 0 AND +t.id BETWEEN $1 AND $2
  AND (r.run_id IS NULL OR r.ended_at IS NOT NULL OR r.task_id <> t.id)
ORDER BY t.current_run_id LIMIT $3
