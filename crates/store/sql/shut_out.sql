-- Dispatchers that were seen since a time, did not retire, and do not know that version.
SELECT id, host_name, pid, version, seen_at FROM dispatchers
WHERE retired_at IS NULL AND seen_at > $1 AND schema_version < $2
ORDER BY started_at, id
