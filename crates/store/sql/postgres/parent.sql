-- Whether a parent is done; held, so that it does not end between this look and the link.
SELECT status FROM tasks WHERE id = $1 FOR SHARE
