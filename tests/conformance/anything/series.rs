//! What must hold of recurring tasks: a series is a chain, each of its times is decided once, and
//! nobody's runs but those that a person wanted are beside each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tenure_guard::TaskId;
use tenure_store::event::EventKind;
use tenure_store::life::{CatchUp, Overlap, Recurrence, TaskStatus, Times};
use tenure_store::person::Wish;
use tenure_store::read::{Detail, Stored};

use super::stage::{Picture, STORE, Stage};
use super::step::{Deed, Step};

/// The task of which this one is the successor.
pub fn follows(detail: &Detail) -> Option<TaskId> {
    let added = detail.events.first()?;
    let follows = added.payload.get("follows")?.as_i64();
    follows.map(TaskId)
}

/// Whether its time is still to come, so that it has no successor.
pub fn is_unbegun(detail: &Detail) -> bool {
    let task = &detail.task;
    task.recurrence.is_some()
        && task.attempts == 0
        && task.not_before.is_some()
        && task.status != TaskStatus::Done
}

pub fn each_time_is_decided_once(
    stage: &Stage,
    step: &Step,
    before: &Picture,
    after: &Picture,
    told: &str,
) {
    it_is_a_chain(after, told);
    let now = Timestamp::from_millisecond(stage.world.now()).unwrap();
    let wished = wish(step);
    for (id, detail) in after {
        let told = format!("task {id} after {told}");
        match (before.get(id), follows(detail)) {
            (None, Some(parent)) => {
                follows_in_time(now, wished, &before[&parent], detail, &told);
            }
            (Some(was), _) if is_unbegun(was) && is_unbegun(detail) => {
                passes_rightly(now, step, before, was, detail, &told);
            }
            _ => {}
        }
    }
    if matches!(step, Step::Claim { .. }) {
        nothing_due_is_left(stage, now, after, told);
    }
    none_is_beside_another_by_itself(after, told);
}

fn wish(step: &Step) -> Option<&Wish> {
    if let Step::Person {
        deed: Deed::Wish(wish),
        ..
    } = step
    {
        Some(wish)
    } else {
        None
    }
}

/// Whoever began has one successor, and who is still to begin has none.
fn it_is_a_chain(picture: &Picture, told: &str) {
    let mut successors: BTreeMap<TaskId, u32> = BTreeMap::new();
    for parent in picture.values().filter_map(follows) {
        *successors.entry(parent).or_default() += 1;
    }
    for (id, detail) in picture {
        if detail.task.recurrence.is_some() {
            let begun = u32::from(!is_unbegun(detail));
            let found = successors.get(id).copied().unwrap_or_default();
            assert_eq!(
                found, begun,
                "successors of task {id} after {told}: {:#?}",
                detail.task
            );
        }
    }
}

fn schedule(detail: &Detail) -> (&Recurrence, SignedDuration) {
    let recurrence = detail.task.recurrence.as_ref();
    let recurrence = recurrence.and_then(Stored::known).unwrap();
    let Times::Every(every) = &recurrence.times else {
        panic!("only even times are made here");
    };
    (recurrence, (*every).try_into().unwrap())
}

/// The first time after a moment that is so many steps from another one.
fn next(due: Timestamp, every: SignedDuration, after: Timestamp) -> Timestamp {
    let mut time = due + every;
    while time <= after {
        time += every;
    }
    time
}

/// The successor's time, by that of its predecessor and by who let that one begin.
fn follows_in_time(
    now: Timestamp,
    wish: Option<&Wish>,
    parent: &Detail,
    successor: &Detail,
    told: &str,
) {
    assert!(is_unbegun(parent), "{told}: another successor");
    let (recurrence, every) = schedule(parent);
    let due = parent.task.not_before.unwrap();
    let expected = match wish {
        // The schedule keeps the time of what begins before it.
        Some(Wish::Promote { .. }) if due > now => due,
        Some(_) => next(due, every, now),
        None => {
            assert!(due <= now, "{told}: it began before its time");
            let is_late = due + every <= now;
            assert!(
                !is_late || recurrence.catch_up != CatchUp::Skip,
                "{told}: what was missed began"
            );
            match recurrence.catch_up {
                CatchUp::All => due + every,
                CatchUp::Skip | CatchUp::One => next(due, every, now),
            }
        }
    };
    assert_eq!(successor.task.not_before, Some(expected), "{told}");
    assert_eq!(
        successor.task.series_id, parent.task.series_id,
        "{told}: another series"
    );
}

/// A time that passes was missed, or an earlier one is going on; and the next one is to come.
fn passes_rightly(
    now: Timestamp,
    step: &Step,
    before: &Picture,
    was: &Detail,
    is: &Detail,
    told: &str,
) {
    if was.task.not_before == is.task.not_before {
        return;
    }
    assert!(matches!(step, Step::Claim { .. }), "{told}: another time");
    let (recurrence, every) = schedule(was);
    let due = was.task.not_before.unwrap();
    assert_eq!(is.task.not_before, Some(next(due, every, now)), "{told}");
    let last = is.events.last().and_then(|event| event.kind.known());
    assert_eq!(last, Some(&EventKind::Skipped), "{told}");
    let missed = due + every <= now && recurrence.catch_up == CatchUp::Skip;
    let overlaps = recurrence.overlap == Overlap::Skip
        && before
            .values()
            .any(|other| other.task.series_id == was.task.series_id && goes_on(other));
    assert!(missed || overlaps, "{told}: it passed without a reason");
}

fn goes_on(detail: &Detail) -> bool {
    match detail.task.status {
        TaskStatus::Running | TaskStatus::Ready => true,
        TaskStatus::Todo | TaskStatus::Scheduled => !is_unbegun(detail),
        TaskStatus::Blocked | TaskStatus::Done | TaskStatus::Cancelled => false,
    }
}

/// Whoever dispatches decides of every time that has come.
fn nothing_due_is_left(stage: &Stage, now: Timestamp, picture: &Picture, told: &str) {
    let paused = |name: &str| stage.paused.contains(name);
    for (id, detail) in picture.iter().filter(|(_, detail)| is_unbegun(detail)) {
        let task = &detail.task;
        let is_held = task.paused_at.is_some() || paused(STORE) || paused(&task.assignee);
        let is_due = task.status == TaskStatus::Scheduled && task.not_before.unwrap() <= now;
        // What was made up for is due again at once.
        let is_made_up = task.not_before.unwrap() < task.created_at;
        assert!(
            !is_due || is_held || is_made_up,
            "task {id} after {told}: its time came, and nothing was decided"
        );
    }
}

/// Where no person had a hand in a series, one of it runs at most.
fn none_is_beside_another_by_itself(picture: &Picture, told: &str) {
    let mut running: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let mut touched = BTreeSet::new();
    for (id, detail) in picture {
        let Some(series) = detail.task.series_id else {
            continue;
        };
        if detail.task.status == TaskStatus::Running {
            running.entry(series).or_default().push(*id);
        }
        if detail
            .events
            .iter()
            .any(|event| event.payload["by"] == "ann")
        {
            touched.insert(series);
        }
    }
    running.retain(|series, tasks| tasks.len() > 1 && !touched.contains(series));
    assert!(running.is_empty(), "{told}: beside each other: {running:?}");
}
