-- A dispatcher that has not left is asked to take nothing new; since when stays.
UPDATE dispatchers SET drain_at = $2 WHERE id = $1 AND drain_at IS NULL AND retired_at IS NULL
