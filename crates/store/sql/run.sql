-- One run. Its claim lock is nobody's to read.
SELECT run_id, task_id, attempt, profile, outcome, reason, seen, ask, ask_by, ask_reason, asked_at, report,
       reported_at, heartbeat_at, note, pid, warden_pid, dispatcher_id, limits, claimed_at,
       started_at, deadline_at, lease_until, ended_at, log, socket, tree_unverified
FROM runs WHERE run_id = $1
