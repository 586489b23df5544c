-- Everything up to an event was told; its teller goes on holding.
UPDATE hook_cursor SET event_id = $2, held_until = $3
WHERE one = 1 AND dispatcher_id = $1 AND event_id <= $2
