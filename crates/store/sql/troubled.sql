-- Tasks that go badly just now, with their streaks and the ends of their newest three runs; those
-- between two ids, which are the same where one is asked for.
SELECT t.id, t.status, t.assignee, t.not_before, t.failures, t.violations, t.defers,
       t.benign, t.lost, t.blocks, a.run_id AS run_a, a.outcome AS outcome_a, a.reason AS reason_a,
       a.seen AS seen_a, b.run_id AS run_b, b.outcome AS outcome_b, b.reason AS reason_b,
       b.seen AS seen_b, c.outcome AS outcome_c
FROM tasks AS t
LEFT JOIN runs AS a ON a.task_id = t.id AND a.attempt = t.attempts
LEFT JOIN runs AS b ON b.task_id = t.id AND b.attempt = t.attempts - 1
LEFT JOIN runs AS c ON c.task_id = t.id AND c.attempt = t.attempts - 2
WHERE t.failures + t.violations + t.defers + t.benign + t.lost + t.blocks > 0
  AND t.status NOT IN ('done', 'cancelled') AND +t.id BETWEEN $1 AND $2
ORDER BY t.id LIMIT $3
