//! Why a task is where it is, by its status: here what waits for a time, a person's word or its turn.
//! Who could take a ready one is [`super::serving`]'s to say.

use std::collections::HashSet;

use tenure_guard::TaskId;
use tenure_store::DispatcherId;
use tenure_store::event::EventKind;
use tenure_store::life::{Outcome, TaskStatus};
use tenure_store::read::{Holder, Pause, RunView, Situation, Stored};

use super::{Code, Reason, Seen, parents, rest, running, serving};
use crate::caller::quoted;

/// How many tasks are named in words; programs get all that were read.
const NAMED: usize = 10;

/// Why it stands there, what would have to change first before the rest.
pub fn reasons(situation: &Situation, seen: &Seen) -> Vec<Reason> {
    let mut reasons = match situation.task.status {
        TaskStatus::Todo => [
            parents::reasons(situation),
            time(situation),
            pauses(situation),
        ]
        .concat(),
        TaskStatus::Scheduled => {
            let lasting = serving::lasting(situation, &seen.stopped);
            [time(situation), pauses(situation), lasting].concat()
        }
        TaskStatus::Ready => ready(situation, &seen.stopped),
        TaskStatus::Running => running::reasons(situation, seen.is_warden_stopped),
        TaskStatus::Blocked => vec![rest::blocked(situation)],
        TaskStatus::Done => vec![rest::done(situation)],
        TaskStatus::Cancelled => vec![rest::cancelled(situation)],
    };
    reasons.extend(rest::archived(situation));
    reasons
}

/// The time that it was not to start before, where that is still to come.
fn time(situation: &Situation) -> Vec<Reason> {
    let task = &situation.task;
    let Some(time) = task.not_before.filter(|time| *time > situation.at) else {
        return Vec::new();
    };
    let last = situation.runs.first();
    let words = match last.and_then(|run| Some((run, run.outcome.as_ref()?))) {
        Some((run, Stored::Known(Outcome::Deferred))) => {
            format!("run {} put the task off: {}", run.run_id, why(run))
        }
        Some((run, Stored::Known(Outcome::Completed))) => {
            format!("it was asked for that time, after run {}", run.run_id)
        }
        Some((run, outcome)) => format!(
            "it backs off after run {}, which ended {outcome}: {}",
            run.run_id,
            why(run)
        ),
        None if task.recurrence.is_some() => "it recurs, and its next time has not come".to_owned(),
        None => "it was asked not to start before that time".to_owned(),
    };
    let reason = Reason::new(
        Code::NotYetDue,
        words,
        "the time comes, or a person lets it go now",
    )
    .since(task.since)
    .until(Some(time));
    vec![reason.command(format!("tenure promote {}", task.id))]
}

/// Why a run ended, as it says itself.
pub(super) fn why(run: &RunView) -> &str {
    run.reason.as_deref().unwrap_or("for no reason given")
}

fn pauses(situation: &Situation) -> Vec<Reason> {
    let task = &situation.task;
    let pauses = situation.pauses.iter();
    let concerned = pauses.filter(|pause| pause.holds(&task.assignee));
    let mut reasons: Vec<Reason> = concerned.map(pause).collect();
    if let Some(since) = task.paused_at {
        let words = match rest::said(situation, EventKind::Paused, since) {
            Some(said) => format!("the task is paused by {said}"),
            None => "the task is paused".to_owned(),
        };
        let reason = Reason::new(Code::PausedTask, words, "a person resumes it").since(since);
        reasons.push(reason.command(format!("tenure resume {}", task.id)));
    }
    reasons
}

fn pause(pause: &Pause) -> Reason {
    let (code, what, command) = match &pause.profile {
        None => (
            Code::PausedStore,
            "the whole store".to_owned(),
            "tenure resume".to_owned(),
        ),
        Some(name) => (
            Code::PausedProfile,
            format!("profile {name:?}"),
            format!("tenure resume --profile {}", quoted(name)),
        ),
    };
    let reason = pause.reason.as_ref().map(|reason| format!(": {reason}"));
    let words = format!(
        "{what} is paused by {}{}",
        pause.by,
        reason.unwrap_or_default()
    );
    Reason::new(code, words, "a person resumes it")
        .since(pause.since)
        .command(command)
}

fn ready(situation: &Situation, stopped: &HashSet<DispatcherId>) -> Vec<Reason> {
    let held = [pauses(situation), serving::now(situation, stopped)].concat();
    if held.is_empty() {
        vec![order(situation)]
    } else {
        held
    }
}

pub(super) fn ids(holders: &[Holder]) -> Vec<TaskId> {
    holders.iter().map(|holder| holder.id).collect()
}

/// A cap is reached since the last of those who reach it began.
pub(super) fn held_by(reason: Reason, holders: &[Holder]) -> Reason {
    let since = holders.iter().map(|holder| holder.since).max();
    Reason {
        since,
        ..reason.about(&ids(holders))
    }
}

/// Tasks in words, the first few.
pub(super) fn named(tasks: &[TaskId]) -> String {
    let first: Vec<String> = tasks.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match tasks.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let noun = if tasks.len() == 1 { "task" } else { "tasks" };
    format!("{noun} {}{more}", first.join(", "))
}

/// Nothing holds it but the order.
fn order(situation: &Situation) -> Reason {
    let task = &situation.task;
    let before = situation.place.map(|place| place.before_in_profile);
    match before.filter(|before| before.number > 0 || before.at_least) {
        Some(before) => Reason::new(
            Code::BehindOthers,
            format!("{before} of profile {:?} are taken before it", task.assignee),
            "they are taken; an hour of waiting is worth one point of priority",
        )
        .since(task.queued_at),
        None => Reason::new(
            Code::NextInLine,
            "nothing holds it: a dispatcher takes it next",
            "a moment passes; where it stands here for long, something is wrong with the dispatcher",
        )
        .since(task.since)
        .command(format!("tenure diagnose {}", task.id)),
    }
}
