-- Among the newest runs whose tree was not proved dead: those that are closed and of whose task
-- nobody spoke since; those between two ids of tasks.
SELECT r.run_id, r.task_id, r.host_id, r.boot_id, r.warden_pid, r.ended_at,
       CAST(CASE WHEN t.attempts > r.attempt OR t.status IN ('done', 'cancelled')
                 THEN 1 ELSE 0 END AS BIGINT) AS has_moved_on
FROM (SELECT run_id, task_id, host_id, boot_id, warden_pid, ended_at, attempt FROM runs
      WHERE tree_unverified = 1 ORDER BY run_id DESC LIMIT $3) AS r
JOIN tasks AS t ON t.id = r.task_id
WHERE r.ended_at IS NOT NULL AND +r.task_id BETWEEN $1 AND $2
  AND NOT EXISTS (SELECT 1 FROM comments AS c
                  WHERE c.task_id = r.task_id AND c.created_at >= r.ended_at)
