-- A dispatcher is gone for good. That it says so is its last sign of life.
UPDATE dispatchers SET retired_at = $2, seen_at = $2 WHERE id = $1 AND retired_at IS NULL
