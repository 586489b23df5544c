-- Whether a parent ended already, and how.
SELECT status, block_kind FROM tasks WHERE id = $1
