-- A dispatcher lives.
UPDATE dispatchers SET seen_at = $2 WHERE id = $1
