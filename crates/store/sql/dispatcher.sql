-- One dispatcher, living or not.
SELECT id, host_id, host_name, boot_id, pid, socket, version, schema_version, slots, profiles, batch_id,
       pid_namespace, start_ticks, inode, drain_at, held, labels, seen_at, started_at
FROM dispatchers WHERE id = $1
