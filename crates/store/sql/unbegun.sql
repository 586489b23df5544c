-- A recurring task that has not begun: it has no successor yet.
SELECT id, pending_parents, not_before, created_at, series_id, recurrence FROM tasks
WHERE id = $1 AND recurrence IS NOT NULL AND attempts = 0 AND not_before IS NOT NULL
