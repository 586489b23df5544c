-- The same in tables up to version 3, which do not say what each of them knows: nobody knows more.
SELECT id, host_name, pid, version, seen_at FROM dispatchers
WHERE retired_at IS NULL AND seen_at > $1
ORDER BY started_at, id
