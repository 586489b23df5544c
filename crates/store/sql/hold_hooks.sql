-- Takes the telling of hooks where nobody holds it, which begins at the newest event; no row where another does.
INSERT INTO hook_cursor (one, event_id, dispatcher_id, held_until)
VALUES (1, (SELECT coalesce(max(id), 0) FROM events), $1, $3)
ON CONFLICT (one) DO UPDATE SET dispatcher_id = $1, held_until = $3
WHERE hook_cursor.dispatcher_id = $1 OR hook_cursor.held_until < $2
RETURNING event_id AS number
