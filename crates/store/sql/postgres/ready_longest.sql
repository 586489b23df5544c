-- The tasks that have been ready longest.
SELECT assignee AS profile, since FROM tasks WHERE status = 'ready' ORDER BY since LIMIT $1
