-- Open runs of other hosts, those first whose leases end first. A run's host is its warden's, and before
-- the start its dispatcher's; one that nobody knows is another.
SELECT r.task_id, r.run_id, r.claim_lock, r.attempt, r.profile, r.lease_until,
       r.dispatcher_id, coalesce(r.host_id, d.host_id) AS host_id, d.host_name
FROM runs r LEFT JOIN dispatchers d ON d.id = r.dispatcher_id
WHERE r.ended_at IS NULL AND coalesce(r.host_id, d.host_id, '') <> $1
ORDER BY r.lease_until LIMIT $2
