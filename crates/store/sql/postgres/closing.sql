-- All that decides how a run closes, held until it has: the task before the run, as verbs do, so that
-- none waits for the other. Whether it may is for the fenced statement to say.
SELECT r.ended_at, r.outcome, r.reason, r.seen, r.limits, r.report, r.ask, r.ask_block_kind,
       r.ask_reason, r.ask_by, r.ask_assignee, r.profile, r.started_at, t.current_run_id, t.assignee,
       t.status, t.pending_parents, t.not_before, t.failures, t.violations, t.defers, t.benign, t.lost,
       t.blocks
FROM runs r JOIN tasks t ON t.id = r.task_id
WHERE r.run_id = $1
FOR NO KEY UPDATE OF t
FOR NO KEY UPDATE OF r
