-- Nothing that went badly counts any more.
UPDATE tasks
SET failures = 0, violations = 0, defers = 0, benign = 0, lost = 0, blocks = 0, updated_at = $2
WHERE id = $1
