-- A file is one host's: there are no runs of others, and none is looked at.
SELECT task_id, run_id, claim_lock, attempt, profile, lease_until, dispatcher_id, host_id,
       CAST(NULL AS TEXT) AS host_name
FROM runs WHERE run_id = 0 AND host_id <> $1 LIMIT $2
