//! Why a task is where it is, by its status. Who could take a ready one is [`super::serving`]'s to
//! say.

use std::collections::HashSet;

use tenure_guard::{BlockKind, TaskId};
use tenure_store::DispatcherId;
use tenure_store::event::EventKind;
use tenure_store::life::{Ask, LinkKind, Outcome, RunStatus, TaskStatus};
use tenure_store::read::{Holder, Pause, RunView, Situation, WaitedFor};

use super::{Code, Reason, serving};

/// How many tasks are named in words; programs get all that were read.
const NAMED: usize = 10;

/// Why it stands there, what would have to change first before the rest.
pub fn reasons(situation: &Situation, stopped: &HashSet<DispatcherId>) -> Vec<Reason> {
    let mut reasons = match situation.task.status {
        TaskStatus::Todo => [parents(situation), time(situation), pauses(situation)].concat(),
        TaskStatus::Scheduled => {
            let lasting = serving::lasting(situation, stopped);
            [time(situation), pauses(situation), lasting].concat()
        }
        TaskStatus::Ready => ready(situation, stopped),
        TaskStatus::Running => vec![running(situation)],
        TaskStatus::Blocked => vec![blocked(situation)],
        TaskStatus::Done => vec![done(situation)],
        TaskStatus::Cancelled => vec![cancelled(situation)],
    };
    let task = &situation.task;
    if let Some(since) = task.archived_at {
        let words = "it was put away: `list` leaves it out, and `gc` may clear it";
        let change = "nothing, unless somebody wants it again";
        let archived = Reason::new(Code::Archived, words, change).since(since);
        reasons.push(archived.command(format!("tenure retry {}", task.id)));
    }
    reasons
}

fn parents(situation: &Situation) -> Vec<Reason> {
    let above = situation.stuck_above.iter().map(ancestor);
    situation.parents.iter().map(parent).chain(above).collect()
}

/// What stands still farther up, so that nobody has to climb there.
fn ancestor(stuck: &WaitedFor) -> Reason {
    let words = format!(
        "farther up its parents wait for task {} ({}), and that one is {}",
        stuck.id,
        stuck.title,
        status(stuck.status, stuck.block_kind)
    );
    Reason::new(Code::AncestorStuck, words, "a person acts on that one")
        .since(stuck.since)
        .about(&[stuck.id])
        .command(format!("tenure explain {}", stuck.id))
}

fn parent(parent: &WaitedFor) -> Reason {
    let id = parent.id;
    let end = match parent.kind {
        LinkKind::Success => "is done",
        LinkKind::AnyEnd => "has come to an end",
        LinkKind::Failure => "was given up",
    };
    let (code, change, command) = match (parent.status, parent.block_kind) {
        (TaskStatus::Cancelled, _) => (
            Code::ParentCancelled,
            "it waits for ever, unless the parent is retried or the task is let go without it",
            format!("tenure retry {id}"),
        ),
        (TaskStatus::Blocked, Some(BlockKind::GaveUp)) => (
            Code::ParentGaveUp,
            "it waits for ever, unless the parent is retried or the task is let go without it",
            format!("tenure retry {id}"),
        ),
        (TaskStatus::Blocked, _) => (
            Code::ParentBlocked,
            "a person lets the parent go on",
            format!("tenure explain {id}"),
        ),
        (
            TaskStatus::Todo
            | TaskStatus::Scheduled
            | TaskStatus::Ready
            | TaskStatus::Running
            | TaskStatus::Done,
            _,
        ) => (
            Code::WaitsForParent,
            "the parent comes to that end",
            format!("tenure explain {id}"),
        ),
    };
    let words = format!(
        "it waits until task {id} ({}) {end}, and that one is {}",
        parent.title,
        status(parent.status, parent.block_kind)
    );
    Reason::new(code, words, change)
        .since(parent.since)
        .about(&[id])
        .command(command)
}

/// A status in words, with the kind of block where there is one.
fn status(status: TaskStatus, kind: Option<BlockKind>) -> String {
    match kind {
        Some(kind) => format!("{status} ({kind})"),
        None => status.to_string(),
    }
}

/// The time that it was not to start before, where that is still to come.
fn time(situation: &Situation) -> Vec<Reason> {
    let task = &situation.task;
    let Some(time) = task.not_before.filter(|time| *time > situation.at) else {
        return Vec::new();
    };
    let last = situation.runs.first();
    let words = match last.and_then(|run| run.outcome.map(|outcome| (run, outcome))) {
        Some((run, Outcome::Deferred)) => {
            format!("run {} put the task off: {}", run.run_id, why(run))
        }
        Some((run, Outcome::Completed)) => {
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
fn why(run: &RunView) -> &str {
    run.reason.as_deref().unwrap_or("for no reason given")
}

fn pauses(situation: &Situation) -> Vec<Reason> {
    let task = &situation.task;
    let pauses = situation.pauses.iter();
    let concerned = pauses.filter(|pause| pause.holds(&task.assignee));
    let mut reasons: Vec<Reason> = concerned.map(pause).collect();
    if let Some(since) = task.paused_at {
        let words = match said(situation, EventKind::Paused) {
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
            format!("tenure resume --profile {name}"),
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
        .command("tenure diagnose"),
    }
}

fn running(situation: &Situation) -> Reason {
    let task = &situation.task;
    let Some(run) = situation
        .runs
        .iter()
        .find(|run| Some(run.run_id) == task.current_run_id)
    else {
        let words = "the task names a run that is not among its newest";
        return Reason::new(Code::Unattended, words, "the residue is cleared")
            .command(format!("tenure edit {} --clear-claim", task.id));
    };
    let is_attended = situation
        .dispatchers
        .iter()
        .any(|serving| serving.dispatcher.id == run.dispatcher_id);
    match run.status {
        _ if !is_attended => unattended(run),
        RunStatus::Claimed => Reason::new(
            Code::Starting,
            format!(
                "run {} was claimed, and its command is about to start",
                run.run_id
            ),
            "its warden is made, and its room",
        )
        .since(run.claimed_at),
        RunStatus::Ending => ending(run),
        RunStatus::Running | RunStatus::Ended => Reason::new(
            Code::Running,
            format!("run {} works{}{}", run.run_id, pid(run), note(run)),
            "its worker ends",
        )
        .since(run.started_at.unwrap_or(run.claimed_at))
        .until(run.deadline_at)
        .command(format!("tenure log -f {}", task.id)),
    }
}

fn unattended(run: &RunView) -> Reason {
    let words = format!(
        "run {} is open{}, and its dispatcher is gone; its warden keeps it, and keeps what it reports",
        run.run_id,
        pid(run)
    );
    let change =
        "the next dispatcher of its host takes the run up, or closes it where nothing of it lives";
    Reason::new(Code::Unattended, words, change)
        .since(run.claimed_at)
        .command("tenure serve")
}

fn pid(run: &RunView) -> String {
    run.pid
        .map(|pid| format!(" as pid {pid}"))
        .unwrap_or_default()
}

fn note(run: &RunView) -> String {
    run.note
        .as_ref()
        .map(|note| format!(", and says: {note}"))
        .unwrap_or_default()
}

fn ending(run: &RunView) -> Reason {
    let (words, since) = match (&run.ask, &run.report) {
        (_, Some(_)) => (
            format!("run {} has reported how it ended", run.run_id),
            run.reported_at,
        ),
        (Some(ask), None) => (
            format!("run {} was asked to end: {}", run.run_id, asked(run, *ask)),
            run.asked_at,
        ),
        (None, None) => (format!("run {} ends", run.run_id), None),
    };
    let change = "its whole tree is dead: TERM, kill_grace, KILL";
    Reason::new(Code::Ending, words, change).since(since.unwrap_or(run.claimed_at))
}

/// What was asked, by whom and why.
pub(super) fn asked(run: &RunView, ask: Ask) -> String {
    let by = run.ask_by.as_deref().unwrap_or("somebody");
    match &run.ask_reason {
        Some(reason) => format!("{ask}, by {by}: {reason}"),
        None => format!("{ask}, by {by}"),
    }
}

fn blocked(situation: &Situation) -> Reason {
    let task = &situation.task;
    let why = task
        .block_reason
        .as_deref()
        .unwrap_or("for no reason given");
    let unblock = format!("tenure unblock {}", task.id);
    let by = who_blocked(situation);
    let reason = match task.block_kind {
        Some(BlockKind::NeedsInput) => Reason::new(
            Code::BlockedNeedsInput,
            format!("{by} says that it needs an answer: {why}"),
            "a person answers in a comment, and lets it go on",
        ),
        Some(BlockKind::Capability) => Reason::new(
            Code::BlockedCapability,
            format!("{by} says that its profile cannot do it: {why}"),
            "somebody gives it to a profile that can, or gives this one what it lacks, and lets it go on",
        ),
        Some(BlockKind::Operator) | None => Reason::new(
            Code::BlockedOperator,
            format!("{by} lets it wait: {why}"),
            "a person lets it go on",
        ),
        Some(BlockKind::GaveUp) => Reason::new(
            Code::of_trip(why),
            format!("the breaker stopped it: {why}"),
            "a person mends the cause, and lets it go on; all streaks begin anew",
        ),
    };
    reason.since(task.since).command(unblock)
}

/// Who blocked it: a person's verb, else its newest run.
fn who_blocked(situation: &Situation) -> String {
    let newest = situation.runs.first();
    let asked = newest.filter(|run| run.outcome.is_some() && run.ask.is_some());
    let by_run = newest.filter(|run| run.outcome == Some(Outcome::Blocked) && run.ask.is_none());
    let by_verb = situation
        .events
        .iter()
        .find(|event| matches!(event.kind, EventKind::Blocked | EventKind::Ended))
        .filter(|event| event.kind == EventKind::Blocked)
        .and_then(|event| event.payload["by"].as_str());
    match (by_verb, asked, by_run) {
        (Some(by), _, _) => by.to_owned(),
        (None, Some(run), _) => run.ask_by.clone().unwrap_or_else(|| "somebody".into()),
        (None, None, Some(run)) if run.report.is_none() => {
            format!("a rule of on_exit, for run {},", run.run_id)
        }
        (None, None, Some(run)) => format!("the worker of run {}", run.run_id),
        (None, None, None) => "somebody".into(),
    }
}

fn done(situation: &Situation) -> Reason {
    let task = &situation.task;
    let words = match (
        said(situation, EventKind::Completed),
        situation.runs.first(),
    ) {
        (Some(said), _) => format!("a person completed it: {said}"),
        (None, Some(run)) => format!("run {} completed it: {}", run.run_id, why(run)),
        (None, None) => "it is done".to_owned(),
    };
    let change = "nothing, unless somebody wants it again";
    Reason::new(Code::Done, words, change)
        .since(task.since)
        .command(format!("tenure retry {}", task.id))
}

fn cancelled(situation: &Situation) -> Reason {
    let task = &situation.task;
    let newest = situation.runs.first();
    let asked_of_run = newest.and_then(|run| Some((run, run.ask?)));
    let words = match (said(situation, EventKind::Cancelled), asked_of_run) {
        (Some(said), _) => format!("it was cancelled by {said}"),
        (None, Some((run, ask))) => {
            format!(
                "it was cancelled with run {}: {}",
                run.run_id,
                asked(run, ask)
            )
        }
        (None, None) => "it was cancelled".to_owned(),
    };
    let change = "nothing, unless somebody wants it again";
    Reason::new(Code::Cancelled, words, change)
        .since(task.since)
        .command(format!("tenure retry {}", task.id))
}

/// Who did this last, and why; the newest event of that kind says it.
fn said(situation: &Situation, kind: EventKind) -> Option<String> {
    let event = situation.events.iter().find(|event| event.kind == kind)?;
    let by = event.payload["by"].as_str().unwrap_or("somebody");
    Some(match event.payload["reason"].as_str() {
        Some(reason) => format!("{by}: {reason}"),
        None => by.to_owned(),
    })
}
