-- Dispatchers that were seen since a time and did not retire.
SELECT id, host_id, host_name, boot_id, pid, socket, version, schema_version, slots, profiles, batch_id,
       pid_namespace, start_ticks, inode, drain_at, held, labels, seen_at, started_at
FROM dispatchers WHERE retired_at IS NULL AND seen_at > $1
ORDER BY started_at, id
