-- The dispatcher that was there last: by when it signed off, else by its last sign of life.
SELECT id, host_id, host_name, boot_id, pid, socket, version, schema_version, slots, profiles, batch_id,
       pid_namespace, start_ticks, inode, drain_at, held, labels, seen_at, started_at, retired_at
FROM dispatchers
ORDER BY coalesce(retired_at, seen_at) DESC, started_at DESC, id DESC LIMIT 1
