-- Tasks that wait for a person, among those that a task's parents wait for, directly and through others.
WITH RECURSIVE above (id, far) AS (
    SELECT CAST($1 AS BIGINT), 0
    UNION
    SELECT l.parent_id, 1 + CASE WHEN above.far < 1 THEN above.far ELSE 1 END
    FROM above JOIN task_links l ON l.child_id = above.id
    WHERE l.met_at IS NULL
)
SELECT t.id, t.title, t.status, t.block_kind, t.block_reason, t.since, 'success' AS kind,
       (SELECT e.payload FROM events e
        WHERE t.status = 'cancelled' AND e.task_id = t.id AND e.at <= t.since
          AND e.kind IN ('cancelled', 'archived', 'asked')
        ORDER BY e.id DESC LIMIT 1) AS called_off
FROM (SELECT id FROM above WHERE far = 2 LIMIT $2) AS looked_at JOIN tasks t ON t.id = looked_at.id
WHERE t.status IN ('blocked', 'cancelled')
LIMIT $3
