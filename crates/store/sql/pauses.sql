-- What may not start: the store, and profiles.
SELECT what, paused_by, reason, paused_at FROM pauses
