-- The event to begin following from.
SELECT coalesce(max(id), 0) AS number FROM events
