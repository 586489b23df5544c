-- An archived task, if it still is one that may go.
DELETE FROM tasks WHERE id = $1 AND archived_at < $2 AND status IN ('done', 'cancelled')
