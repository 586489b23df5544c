-- The tasks that have been ready longest. Left to itself SQLite would read all that are, and sort.
SELECT assignee AS profile, since FROM tasks INDEXED BY ready_since
WHERE status = 'ready' ORDER BY since LIMIT $1
