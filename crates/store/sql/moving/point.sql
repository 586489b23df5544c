-- The same source goes to another place now: nothing changed in it since the migration began.
UPDATE moving SET other = $1 WHERE role = 'source' AND finished_at IS NULL
