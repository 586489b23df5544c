-- What is recorded on a run, for its holder: open or closed, but only with its own lock.
SELECT started_at, deadline_at, host_id, boot_id, pid_namespace, warden_pid, warden_start_ticks,
       warden_inode, ask, report_id, report
FROM runs WHERE task_id = $1 AND run_id = $2 AND claim_lock = $3
