-- Fenced: commits who stands over the run, once, while the lease holds and nothing is asked of it.
UPDATE runs
SET started_at = $4, lease_until = $5, deadline_at = $6, host_id = $7, boot_id = $8,
    pid_namespace = $9, warden_pid = $10, warden_start_ticks = $11, warden_inode = $12,
    socket = $13, log = $14
WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3 AND ended_at IS NULL
  AND started_at IS NULL AND lease_until > $4 AND ask IS NULL
