-- Whether some parents ended already, and how.
SELECT id, status, block_kind FROM tasks WHERE id IN (SELECT value FROM json_each($1))
