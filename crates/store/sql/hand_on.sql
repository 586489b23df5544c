-- A dispatcher is gone for good, and its process goes on as the next one; not where it was asked to leave.
UPDATE dispatchers SET retired_at = coalesce(retired_at, $2) WHERE id = $1 AND drain_at IS NULL
