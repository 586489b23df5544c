-- A dispatcher, or again after its profiles changed.
INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots, profiles,
                         batch_id, started_at, seen_at, pid_namespace, start_ticks, inode,
                         labels, schema_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, $15, $16)
ON CONFLICT (id) DO UPDATE
SET socket = excluded.socket, slots = excluded.slots, profiles = excluded.profiles,
    batch_id = excluded.batch_id, labels = excluded.labels, seen_at = excluded.seen_at, retired_at = NULL
