//! What must hold after each step, by the pictures before and after it.

use std::collections::BTreeSet;

use tenure_guard::{BlockKind, TaskId};
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::life::{Ask, LinkKind, Outcome, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::read::{Detail, RunView, TaskRow};

use super::stage::{CAP, KEY, LIMIT, Picture, SKILL, STORE, Stage};
use super::step::{Act, Deed, PROFILES, Step};
use super::{lease, series};
use crate::world::World;

/// What must be zero whatever happened.
const SUMS: [&str; 7] = [
    "SELECT count(*) FROM (SELECT task_id FROM runs WHERE ended_at IS NULL
         GROUP BY task_id HAVING count(*) > 1) AS twice",
    "SELECT count(*) FROM tasks t LEFT JOIN runs r ON r.run_id = t.current_run_id
     WHERE t.current_run_id IS NOT NULL AND (r.task_id <> t.id OR r.ended_at IS NOT NULL)",
    "SELECT count(*) FROM runs r JOIN tasks t ON t.id = r.task_id
     WHERE r.ended_at IS NULL AND (t.current_run_id IS NULL OR t.current_run_id <> r.run_id)",
    "SELECT count(*) FROM tasks t WHERE t.pending_parents <>
         (SELECT count(*) FROM task_links l WHERE l.child_id = t.id AND l.met_at IS NULL)",
    "SELECT count(*) FROM runs r WHERE
         (SELECT count(*) FROM events e WHERE e.run_id = r.run_id AND e.kind = 'claimed') <> 1",
    "SELECT count(*) FROM runs r WHERE (r.ended_at IS NOT NULL) <>
         ((SELECT count(*) FROM events e WHERE e.run_id = r.run_id AND e.kind = 'ended') = 1)",
    "SELECT count(*) FROM tasks t WHERE
         (SELECT count(*) FROM events e WHERE e.task_id = t.id AND e.kind = 'added') <> 1",
];

pub async fn sums_are_right(world: &World, told: &str) {
    for sum in SUMS {
        assert_eq!(world.number(sum).await, 0, "{told}: {sum}");
    }
}

/// The picture after a step without what it wrote down of a report that was refused: one event, and
/// nothing else.
fn without_refused_reports(before: &Picture, after: &Picture) -> Picture {
    let mut after = after.clone();
    for (id, detail) in &mut after {
        let known = before.get(id).map_or(0, |before| before.events.len());
        let is_new = detail.events.len() == known + 1;
        if is_new && detail.events[known].kind == EventKind::ReportRefused {
            detail.events.truncate(known);
        }
    }
    after
}

/// Compares two pictures with what was done between them.
pub fn nothing_is_broken(
    stage: &Stage,
    step: &Step,
    taken: &Result<(), Error>,
    before: &Picture,
    after: &Picture,
    told: &str,
) {
    if let Err(error) = taken {
        let is_an_answer = matches!(
            error,
            Error::NotOwner { .. }
                | Error::AlreadyReported { .. }
                | Error::Illegal { .. }
                | Error::Refused { .. }
                | Error::Invalid(_)
        );
        assert!(is_an_answer, "{told}");
        assert_eq!(
            before,
            &without_refused_reports(before, after),
            "{told}: a refusal changed something"
        );
    }
    a_stale_holder_is_refused(stage, step, taken, before, told);
    for (id, after) in after {
        let told = format!("task {id} after {told}");
        let Some(before) = before.get(id) else {
            let follows = series::follows(after).is_some();
            assert!(
                follows || matches!(step, Step::Add(_)),
                "{told} came from nowhere"
            );
            continue;
        };
        what_is_past_stays(before, after, &told);
        changes_are_told(before, after, &told);
        moves_are_legal(step, before, after, &told);
        nothing_repeats_without_bound(&after.task, &told);
        benign_ends_count_for_nothing(before, after, &told);
    }
    for (id, detail) in after {
        links_say_what_is_waited_for(detail, &format!("task {id} after {told}"));
    }
    assert!(before.keys().all(|id| after.contains_key(id)), "{told}");
    if matches!(step, Step::Claim { .. }) {
        claims_are_allowed(stage, before, after, told);
    }
    series::each_time_is_decided_once(stage, step, before, after, told);
    lease::time_decides_between_hosts_only(stage, step, taken, before, after, told);
}

/// Who holds no open run can say nothing; an end that comes late is a remark.
fn a_stale_holder_is_refused(
    stage: &Stage,
    step: &Step,
    taken: &Result<(), Error>,
    before: &Picture,
    told: &str,
) {
    let Some(tenure) = stage.tenure_of(step) else {
        return;
    };
    let task = &before[&tenure.task];
    let is_open = task.task.current_run_id == Some(tenure.run);
    if !is_open && !ends(step) {
        assert!(matches!(taken, Err(Error::NotOwner { .. })), "{told}");
    }
}

/// Whether it says how a run ended.
fn ends(step: &Step) -> bool {
    matches!(
        step,
        Step::Holder {
            act: Act::End(_),
            ..
        }
    )
}

fn what_is_past_stays(before: &Detail, after: &Detail, told: &str) {
    let closed = before.runs.iter().filter(|run| run.ended_at.is_some());
    for run in closed {
        assert!(
            after.runs.contains(run),
            "{told}: a closed run changed: {run:?}"
        );
    }
    for run in &before.runs {
        let now = after.runs.iter().find(|now| now.run_id == run.run_id);
        let now = now.unwrap_or_else(|| panic!("{told}: {run:?} is gone"));
        assert!(
            run.report.is_none() || run.report == now.report,
            "{told}: another report"
        );
        let stands = run.ask.is_none_or(Ask::takes_reports);
        assert!(stands || run.ask == now.ask, "{told}: another ask");
        assert!(
            run.started_at.is_none() || run.started_at == now.started_at,
            "{told}"
        );
    }
    let attempts: Vec<u32> = after.runs.iter().map(|run| run.attempt).collect();
    assert!(
        (1..)
            .zip(&attempts)
            .all(|(place, attempt)| place == *attempt),
        "{told}: {attempts:?}"
    );
    assert!(after.runs.is_sorted_by_key(|run| run.run_id), "{told}");
    // `show` tells the newest.
    if after.events.len() < Detail::EVENTS as usize {
        assert!(
            after.events.starts_with(&before.events),
            "{told}: an event changed"
        );
    }
    // A worker that says that it waits for a parent of old, which runs again, waits for it anew.
    let new = &after.events[before.events.len().min(after.events.len())..];
    let waits_anew = new.iter().any(|event| event.kind == EventKind::Linked);
    for link in before.parents.iter().filter(|link| link.met_at.is_some()) {
        let now = after.parents.iter().find(|now| now.id == link.id);
        let stays = now.and_then(|now| now.met_at) == link.met_at;
        assert!(
            stays || waits_anew,
            "{told}: a link was taken back: {link:?}"
        );
    }
}

/// What a task's own events must tell of.
fn facts(detail: &Detail) -> String {
    let task = &detail.task;
    let run = |run: &RunView| {
        format!(
            "{:?}",
            (
                run.run_id,
                &run.outcome,
                &run.ask,
                &run.report,
                run.started_at,
                run.dispatcher_id
            )
        )
    };
    let runs: Vec<String> = detail.runs.iter().map(run).collect();
    let streaks = streaks(task);
    format!(
        "{:?}",
        (
            (
                task.status,
                task.block_kind,
                &task.block_reason,
                task.current_run_id
            ),
            (
                task.archived_at,
                task.paused_at,
                &task.assignee,
                &task.skills
            ),
            (streaks, task.not_before, &task.result, runs),
        )
    )
}

fn streaks(task: &TaskRow) -> [u32; 6] {
    [
        task.failures,
        task.violations,
        task.defers,
        task.benign,
        task.lost,
        task.blocks,
    ]
}

fn changes_are_told(before: &Detail, after: &Detail, told: &str) {
    let (was, is) = (facts(before), facts(after));
    if was != is {
        let newest = |detail: &Detail| detail.events.last().map(|event| event.id);
        assert!(
            newest(after) > newest(before),
            "{told}: no event tells of\n{was}\n{is}"
        );
    }
}

/// Whether an event says that the task's parents came to their ends.
fn was_let_go(before: &Detail, after: &Detail) -> bool {
    let last = before.events.last().map(|event| event.id);
    let mut new = after.events.iter().filter(|event| Some(event.id) > last);
    new.any(|event| event.kind == EventKind::ParentsDone)
}

fn moves_are_legal(step: &Step, before: &Detail, after: &Detail, told: &str) {
    let (from, to) = (before.task.status, after.task.status);
    let wished =
        |wish: &Wish| matches!(step, Step::Person { deed: Deed::Wish(said), .. } if said == wish);
    match (from, to) {
        _ if from == to => {}
        (TaskStatus::Running, _) => {
            let ended = ends(step) || matches!(step, Step::TakeBack { .. });
            assert!(ended, "{told}: {from} to {to}");
        }
        (_, TaskStatus::Running) => {
            assert!(matches!(step, Step::Claim { .. }), "{told}: {from} to {to}");
            // A claim that replaces a task of a series lets go who waits for its end.
            let may_run = match from {
                TaskStatus::Ready | TaskStatus::Scheduled => true,
                TaskStatus::Todo => was_let_go(before, after),
                TaskStatus::Running
                | TaskStatus::Blocked
                | TaskStatus::Done
                | TaskStatus::Cancelled => false,
            };
            assert!(may_run, "{told}: {from} to {to}");
        }
        (TaskStatus::Done | TaskStatus::Cancelled, _) => {
            assert!(wished(&Wish::Retry), "{told}: {from} to {to}");
        }
        _ => {}
    }
    let gave_up = |detail: &Detail| detail.task.block_kind == Some(BlockKind::GaveUp);
    if gave_up(before) && !gave_up(after) {
        let by_a_person = matches!(
            step,
            Step::Person {
                deed: Deed::Wish(_) | Deed::CancelTree,
                ..
            }
        );
        let not_needed = to == TaskStatus::Cancelled && told_by_tenure(after);
        assert!(by_a_person || not_needed, "{told}: a trip was undone");
    }
}

/// Whether the newest event says that nobody asked for it.
fn told_by_tenure(detail: &Detail) -> bool {
    detail
        .events
        .last()
        .is_some_and(|event| event.kind == EventKind::Cancelled && event.payload["by"] == "tenure")
}

fn nothing_repeats_without_bound(task: &TaskRow, told: &str) {
    let most = streaks(task).into_iter().max().unwrap_or_default();
    assert!(most <= LIMIT, "{told}: {:?}", streaks(task));
    let stands = matches!(
        task.status,
        TaskStatus::Blocked | TaskStatus::Done | TaskStatus::Cancelled
    );
    // `blocks` alone does not begin anew with an unblock of what was not given up.
    let ends = streaks(task)[..5].iter().max().copied().unwrap_or_default();
    assert!(
        ends < LIMIT || stands,
        "{told}: over a limit, and {}: {:?}",
        task.status,
        streaks(task)
    );
}

fn benign_ends_count_for_nothing(before: &Detail, after: &Detail, told: &str) {
    let ended = after.runs.iter().find(|run| {
        let was = before.runs.iter().find(|was| was.run_id == run.run_id);
        was.is_some_and(|was| was.ended_at.is_none()) && run.ended_at.is_some()
    });
    let Some(outcome) = ended.and_then(RunView::known_outcome) else {
        return;
    };
    let (was, is) = (&before.task, &after.task);
    match outcome {
        Outcome::Completed => assert_eq!(streaks(is), [0; 6], "{told}"),
        Outcome::Stale
        | Outcome::Reclaimed
        | Outcome::Lost
        | Outcome::NeverStarted
        | Outcome::Interrupted
        | Outcome::Deferred
        | Outcome::Stopped
        | Outcome::Cancelled
        | Outcome::Blocked => {
            assert_eq!(
                (is.failures, is.violations),
                (was.failures, was.violations),
                "{told}"
            );
        }
        Outcome::Failed
        | Outcome::Crashed
        | Outcome::TimedOut
        | Outcome::Silent
        | Outcome::SpawnFailed => assert_eq!(is.failures, was.failures + 1, "{told}"),
        Outcome::ProtocolViolation => assert_eq!(is.violations, was.violations + 1, "{told}"),
    }
}

fn links_say_what_is_waited_for(detail: &Detail, told: &str) {
    let status = detail.task.status;
    let waits = detail.parents.iter().any(|link| link.met_at.is_none());
    match status {
        TaskStatus::Todo => assert!(waits, "{told}: it waits for nobody"),
        TaskStatus::Scheduled | TaskStatus::Ready | TaskStatus::Running => {
            assert!(
                !waits,
                "{told}: it is {status} before its parents: {:?}",
                detail.parents
            );
        }
        TaskStatus::Blocked | TaskStatus::Done | TaskStatus::Cancelled => {}
    }
    for link in detail.parents.iter().filter(|link| link.met_at.is_none()) {
        let over = match (link.kind, link.status) {
            (_, TaskStatus::Done) => true,
            (LinkKind::AnyEnd | LinkKind::Failure, TaskStatus::Cancelled) => true,
            (
                LinkKind::Success | LinkKind::AnyEnd | LinkKind::Failure,
                TaskStatus::Todo
                | TaskStatus::Scheduled
                | TaskStatus::Ready
                | TaskStatus::Running
                | TaskStatus::Blocked
                | TaskStatus::Cancelled,
            ) => false,
        };
        // What waits for a failure that will not come any more is not wanted; who wants it all the same
        // does not wait for it.
        let waits_in_vain = over && status == TaskStatus::Todo;
        assert!(!waits_in_vain, "{told}: it waits in vain: {link:?}");
    }
}

fn claims_are_allowed(stage: &Stage, before: &Picture, after: &Picture, told: &str) {
    let new: BTreeSet<TaskId> = after
        .iter()
        .filter(|(id, detail)| {
            let runs = before.get(id).map_or(0, |was| was.runs.len());
            detail.runs.len() > runs
        })
        .map(|(id, _)| *id)
        .collect();
    let running = |picture: &Picture, key: &str| {
        let with_key = |detail: &&Detail| {
            detail.task.status == TaskStatus::Running
                && detail.task.limit_key.as_deref() == Some(key)
        };
        u32::try_from(picture.values().filter(with_key).count()).unwrap()
    };
    let mut widest = 0;
    for id in new {
        let task = &before[&id].task;
        let told = format!("task {id} after {told}");
        assert!(task.paused_at.is_none(), "{told}: it is paused");
        assert!(!stage.paused.contains(STORE), "{told}: the store is paused");
        assert!(
            !stage.paused.contains(task.assignee.as_str()),
            "{told}: its profile is paused"
        );
        let now = stage.world.now();
        let due = task
            .not_before
            .is_none_or(|time| time.as_millisecond() <= now);
        assert!(due, "{told}: before its time");
        let able = task
            .skills
            .iter()
            .all(|skill| skill == SKILL && task.assignee == PROFILES[0]);
        assert!(able, "{told}: nobody can do it");
        if let (Some(key), Some(limit)) = (&task.limit_key, task.limit) {
            assert!(running(before, key) < limit, "{told}: over its limit");
            widest = widest.max(limit);
        }
    }
    if widest > 0 {
        // Whoever came last found room by its own limit.
        assert!(running(after, KEY) <= widest, "{told}: more than any limit");
    }
    let capped = |detail: &&Detail| {
        detail.task.status == TaskStatus::Running && detail.task.assignee == PROFILES[0]
    };
    let count = after.values().filter(capped).count();
    assert!(count <= CAP as usize, "{told}: {count} of {}", PROFILES[0]);
}
