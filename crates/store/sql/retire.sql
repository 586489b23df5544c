-- A dispatcher is gone for good.
UPDATE dispatchers SET retired_at = $2 WHERE id = $1 AND retired_at IS NULL
