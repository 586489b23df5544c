-- Whether a parent ended already, and how; held, so that it does not end between this look and the
-- link.
SELECT status, block_kind FROM tasks WHERE id = $1 FOR SHARE
