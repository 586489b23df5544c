-- Up to which event hooks were told; no row where none ever was.
SELECT event_id AS number FROM hook_cursor WHERE one = 1
