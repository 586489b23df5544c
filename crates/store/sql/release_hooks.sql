-- Another dispatcher may tell from now on.
UPDATE hook_cursor SET held_until = 0 WHERE one = 1 AND dispatcher_id = $1
