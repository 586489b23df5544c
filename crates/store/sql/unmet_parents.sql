-- The parents that a task waits for. Of what was called off, who did that: the newest of such events that is no later than the task's
-- place, since what comes after only puts it away.
SELECT t.id, t.title, t.status, t.block_kind, t.block_reason, t.since, l.kind,
       (SELECT e.payload FROM events e
        WHERE t.status = 'cancelled' AND e.task_id = t.id AND e.at <= t.since
          AND e.kind IN ('cancelled', 'archived', 'asked')
        ORDER BY e.id DESC LIMIT 1) AS called_off
FROM task_links l JOIN tasks t ON t.id = l.parent_id
WHERE l.child_id = $1 AND l.met_at IS NULL
ORDER BY l.parent_id LIMIT $2
