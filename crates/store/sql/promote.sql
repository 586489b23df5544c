-- It may start now: parents and time were waived, and it queues up now, where it did not before.
UPDATE tasks
SET status = $2, pending_parents = 0, not_before = NULL, updated_at = $3, since = $3,
    queued_at = CASE WHEN queued_at > $3 THEN $3 ELSE queued_at END
WHERE id = $1
