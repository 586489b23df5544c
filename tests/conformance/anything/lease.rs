//! What must hold of leases: before the start they count, between hosts they decide, and on one host
//! nothing is taken by time.

use jiff::{SignedDuration, Timestamp};
use tenure_guard::{Reason, Tenure};
use tenure_store::Error;
use tenure_store::life::{Ask, Outcome, TaskStatus};
use tenure_store::orphan::MARGIN;
use tenure_store::read::{Detail, RunView};

use super::stage::{Picture, Stage};
use super::step::{Act, Hands, Step};
use crate::world::LEASE;

pub fn time_decides_between_hosts_only(
    stage: &Stage,
    step: &Step,
    taken: &Result<(), Error>,
    before: &Picture,
    after: &Picture,
    told: &str,
) {
    let now = Timestamp::from_millisecond(stage.world.now()).unwrap();
    if let (Some(tenure), Step::Holder { act, .. }) = (stage.tenure_of(step), step) {
        let task = &before[&tenure.task];
        match act {
            Act::Check => {
                let expected = refusal(stage, now, task, &tenure);
                assert_eq!(reason(taken), expected, "{told}");
            }
            Act::Start => {
                let before = run(task, &tenure);
                if before.started_at.is_none() {
                    let is_in_time = before.lease_until > now;
                    assert!(taken.is_err() || is_in_time, "{told}: too late");
                    is_renewed(taken, after, &tenure, now, told);
                } else if taken.is_ok() {
                    // Who asks again is told of the first time, and holds no longer by it.
                    assert_eq!(run(&after[&tenure.task], &tenure), before, "{told}");
                }
            }
            Act::Renew => is_renewed(taken, after, &tenure, now, told),
            Act::Heartbeat
            | Act::Comment
            | Act::Report(_)
            | Act::Wait { .. }
            | Act::Ask(_)
            | Act::End(_) => {}
        }
    }
    if let Step::TakeBack { by } = step {
        what_lapsed_is_taken_back(stage, *by, now, before, after, told);
    }
}

fn run<'a>(detail: &'a Detail, tenure: &Tenure) -> &'a RunView {
    let mut runs = detail.runs.iter();
    runs.find(|run| run.run_id == tenure.run)
        .expect("a claim made this run")
}

fn reason(taken: &Result<(), Error>) -> Option<Reason> {
    match taken {
        Err(Error::NotOwner { reason }) => Some(reason.clone()),
        _ => None,
    }
}

/// Why a guard must stand down, in the order of the check.
fn refusal(stage: &Stage, now: Timestamp, task: &Detail, tenure: &Tenure) -> Option<Reason> {
    let status = task.task.status;
    let run = run(task, tenure);
    if status != TaskStatus::Running {
        return Some(Reason::TaskNotRunning(status.to_string()));
    }
    if task.task.current_run_id != Some(tenure.run) {
        return Some(Reason::RunMismatch);
    }
    if let Some(ask) = run.ask.filter(|ask: &Ask| !ask.takes_reports()) {
        return Some(Reason::Ending(ask.to_string()));
    }
    let counts = stage.world.is_shared() || run.started_at.is_none();
    (counts && run.lease_until <= now).then_some(Reason::LeaseExpired)
}

fn is_renewed(
    taken: &Result<(), Error>,
    after: &Picture,
    tenure: &Tenure,
    now: Timestamp,
    told: &str,
) {
    if taken.is_ok() {
        let until = run(&after[&tenure.task], tenure).lease_until;
        assert_eq!(until, now + LEASE, "{told}");
    }
}

/// What another host did not renew until its lease and the margin were over, and nothing else.
fn what_lapsed_is_taken_back(
    stage: &Stage,
    by: Hands,
    now: Timestamp,
    before: &Picture,
    after: &Picture,
    told: &str,
) {
    let margin = SignedDuration::try_from(MARGIN).unwrap();
    let runs = before.values().flat_map(|detail| &detail.runs);
    for run in runs.filter(|run| run.ended_at.is_none()) {
        let is_here = match run.started_at {
            Some(_) => stage.claimed_by[&run.run_id] == by,
            None => run.dispatcher_id == stage.dispatchers[by],
        };
        let elsewhere = stage.world.is_shared() && !is_here;
        let is_over = elsewhere && run.lease_until + margin < now;
        let mut runs = after[&run.task_id].runs.iter();
        let is = runs.find(|is| is.run_id == run.run_id).unwrap();
        assert_eq!(is.ended_at.is_some(), is_over, "{told}: {run:?}");
        if is_over && run.report.is_none() && run.ask.is_none() {
            let outcome = match run.started_at {
                Some(_) => Outcome::Reclaimed,
                None => Outcome::NeverStarted,
            };
            assert_eq!(is.known_outcome(), Some(outcome), "{told}");
        }
    }
}
