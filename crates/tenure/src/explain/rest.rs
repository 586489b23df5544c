//! Why a task stands still: it waits for a person, or it is over. And who brought that about.

use jiff::Timestamp;
use tenure_guard::BlockKind;
use tenure_store::event::EventKind;
use tenure_store::life::Outcome;
use tenure_store::read::Situation;

use super::running::asked;
use super::waits::why;
use super::{Code, Reason};

/// Who lets it wait, and for what.
pub fn blocked(situation: &Situation) -> Reason {
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
    let by_run =
        newest.filter(|run| run.known_outcome() == Some(Outcome::Blocked) && run.ask.is_none());
    let by_verb = situation
        .events
        .iter()
        .find(|event| event.kind == EventKind::Blocked || event.kind == EventKind::Ended)
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

/// Who did the work.
pub fn done(situation: &Situation) -> Reason {
    let task = &situation.task;
    let by_run = situation.runs.first();
    let by_run = by_run.filter(|run| run.known_outcome() == Some(Outcome::Completed));
    let words = match (said(situation, EventKind::Completed, task.since), by_run) {
        (Some(said), _) => format!("a person completed it: {said}"),
        (None, Some(run)) => format!("run {} completed it: {}", run.run_id, why(run)),
        (None, None) => "it is done".to_owned(),
    };
    let change = "nothing, unless somebody wants it again";
    Reason::new(Code::Done, words, change)
        .since(task.since)
        .command(format!("tenure retry {}", task.id))
}

/// Who did not want it any more.
pub fn cancelled(situation: &Situation) -> Reason {
    let task = &situation.task;
    let by_run = situation.runs.first();
    let by_run = by_run.filter(|run| run.known_outcome() == Some(Outcome::Cancelled));
    let asked_of_run = by_run.and_then(|run| Some((run, run.ask?)));
    let said = |kind| said(situation, kind, task.since);
    let words = match (said(EventKind::Cancelled), asked_of_run) {
        (Some(said), _) => format!("it was cancelled by {said}"),
        (None, Some((run, ask))) => {
            format!(
                "it was cancelled with run {}: {}",
                run.run_id,
                asked(run, ask)
            )
        }
        (None, None) => match said(EventKind::Archived) {
            Some(said) => format!("it was cancelled by {said}"),
            None => "it was cancelled".to_owned(),
        },
    };
    let change = "nothing, unless somebody wants it again";
    Reason::new(Code::Cancelled, words, change)
        .since(task.since)
        .command(format!("tenure retry {}", task.id))
}

/// That it was put away, where it was.
pub fn archived(situation: &Situation) -> Option<Reason> {
    let task = &situation.task;
    let since = task.archived_at?;
    let words = match said(situation, EventKind::Archived, since) {
        Some(said) => {
            format!("it was put away by {said}: `list` leaves it out, and `gc` may clear it")
        }
        None => "it was put away: `list` leaves it out, and `gc` may clear it".to_owned(),
    };
    let change = "nothing, unless somebody wants it again";
    let reason = Reason::new(Code::Archived, words, change).since(since);
    Some(reason.command(format!("tenure retry {}", task.id)))
}

/// Who brought it to stand so since then by this, and why. What was done before tells of an earlier
/// time.
pub(super) fn said(situation: &Situation, kind: EventKind, since: Timestamp) -> Option<String> {
    let mut events = situation.events.iter();
    let event = events.find(|event| event.kind == kind && event.at >= since)?;
    let by = event.payload["by"].as_str().unwrap_or("somebody");
    Some(match event.payload["reason"].as_str() {
        Some(reason) => format!("{by}: {reason}"),
        None => by.to_owned(),
    })
}
