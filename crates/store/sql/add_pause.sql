-- The store or a profile starts nothing from now on; who said so first is remembered.
INSERT INTO pauses (what, paused_by, reason, paused_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (what) DO NOTHING
