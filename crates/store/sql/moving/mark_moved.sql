-- All of it is elsewhere now; this is for good.
UPDATE moving SET finished_at = $1 WHERE role = 'source' AND finished_at IS NULL
