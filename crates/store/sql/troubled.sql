-- Tasks that go badly just now, with their streaks, the ends of their newest three runs, and how many of
-- their blocks were waits for another task; those
-- between two ids, which are the same where one is asked for.
SELECT t.id, t.status, t.assignee, t.not_before, t.failures, t.violations, t.defers,
       t.benign, t.lost, t.blocks, a.run_id AS run_a, a.outcome AS outcome_a, a.reason AS reason_a,
       a.seen AS seen_a, b.run_id AS run_b, b.outcome AS outcome_b, b.reason AS reason_b,
       b.seen AS seen_b, c.outcome AS outcome_c,
       CASE WHEN t.blocks < 2 THEN 0 ELSE
         (SELECT count(*)
          FROM (SELECT r.report, row_number() OVER (ORDER BY r.attempt DESC) AS place FROM runs AS r
                WHERE r.task_id = t.id AND r.outcome = 'blocked'
                  AND (r.ask IS NULL OR r.ask <> 'block')) AS blocked
          WHERE blocked.place <= t.blocks AND blocked.report LIKE '{"wait"%') END AS waits
FROM tasks AS t
LEFT JOIN runs AS a ON a.task_id = t.id AND a.attempt = t.attempts
LEFT JOIN runs AS b ON b.task_id = t.id AND b.attempt = t.attempts - 1
LEFT JOIN runs AS c ON c.task_id = t.id AND c.attempt = t.attempts - 2
WHERE t.failures + t.violations + t.defers + t.benign + t.lost + t.blocks > 0
  AND t.status NOT IN ('done', 'cancelled') AND +t.id BETWEEN $1 AND $2
ORDER BY t.id LIMIT $3
