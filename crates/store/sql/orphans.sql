-- Open runs in other hands than those of the dispatcher that asks, of one host or of all, with what
-- proves whether those hands still live. Every id is greater than nothing: so said, the index of open
-- runs is searched, however many are closed.
SELECT r.task_id, r.run_id, r.claim_lock, r.attempt, r.profile, r.epoch, r.started_at,
       r.lease_until, r.host_id, r.boot_id, r.pid_namespace, r.warden_pid, r.warden_start_ticks,
       r.warden_inode, r.socket, r.log, r.dispatcher_id,
       d.host_id AS dispatcher_host_id, d.boot_id AS dispatcher_boot_id,
       d.pid_namespace AS dispatcher_pid_namespace, d.pid AS dispatcher_pid,
       d.start_ticks AS dispatcher_start_ticks, d.inode AS dispatcher_inode
FROM runs r
LEFT JOIN dispatchers d ON d.id = r.dispatcher_id
WHERE r.ended_at IS NULL AND r.dispatcher_id > '' AND r.dispatcher_id <> $1
  AND (CAST($2 AS TEXT) IS NULL OR d.host_id = $2)
