//! An explanation as one page of plain words.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use tenure_store::duration;
use tenure_store::life::Origin;

use super::{Attempt, Earlier, Explanation, Reason, Step};
use crate::caller::Caller;
use crate::escape;
use crate::verb::seconds;

/// How many earlier runs are told of in words; programs get all that were read.
const EARLIER: usize = 5;

const DAY: Duration = Duration::from_hours(24);

/// From this on a span is told in days.
const LONG: Duration = Duration::from_hours(48);

/// Below this a span is told to the millisecond.
const SHORT: Duration = Duration::from_secs(10);

/// How much of a reason is shown in a line of its own.
const REASON_CHARS: usize = 160;

/// The page.
pub fn text(explanation: &Explanation, caller: &Caller) -> String {
    let mut text = head(explanation);
    for reason in &explanation.reasons {
        text.push_str(&told(reason, explanation.at));
    }
    if let Some(place) = &explanation.place {
        let _ = writeln!(
            text,
            "  in the order: {} before it in its profile, {} of them with the same skills and limit key",
            place.before_in_profile, place.before_in_lane
        );
    }
    if !explanation.task.waited_for_by.is_empty() {
        let waiting = super::waits::named(&explanation.task.waited_for_by);
        let _ = writeln!(text, "  waited for by {waiting}");
    }
    if let Some(attempt) = &explanation.newest {
        text.push('\n');
        newest(&mut text, attempt, explanation.at);
    }
    earlier(&mut text, explanation, caller);
    next(&mut text, &explanation.next);
    policies(&mut text, explanation, caller);
    text
}

fn head(explanation: &Explanation) -> String {
    let task = &explanation.task;
    let archived = if task.archived_at.is_some() {
        ", and put away"
    } else {
        ""
    };
    format!(
        "task {} ({}) is {}{archived} since {}\n",
        task.id,
        escape::short(&task.title, REASON_CHARS),
        task.status,
        ago(task.since, explanation.at)
    )
}

/// A time, and how long ago it was.
fn ago(time: Timestamp, at: Timestamp) -> String {
    format!("{}, {} ago", seconds(time), span(time, at))
}

/// How long it is from one time to another; what is long is told to the second.
fn span(from: Timestamp, to: Timestamp) -> String {
    let millis = to.as_millisecond().saturating_sub(from.as_millisecond());
    let span = Duration::from_millis(millis.max(0).unsigned_abs());
    if span < SHORT {
        duration::format(span)
    } else if span < LONG {
        duration::format(Duration::from_secs(span.as_secs()))
    } else {
        format!("{} days", span.as_secs() / DAY.as_secs())
    }
}

fn told(reason: &Reason, at: Timestamp) -> String {
    let mut text = format!("  {}: {}\n", reason.code, escape::line(&reason.words));
    if let Some(until) = reason.until.filter(|until| *until > at) {
        let _ = writeln!(text, "    until {}, in {}", seconds(until), span(at, until));
    }
    if let Some(since) = reason.since {
        let _ = writeln!(text, "    since {}", ago(since, at));
    }
    let _ = write!(text, "    what changes it: {}", reason.change);
    if let Some(command) = &reason.command {
        let _ = write!(text, ": {}", escape::line(command));
    }
    text.push('\n');
    text
}

fn newest(text: &mut String, attempt: &Attempt, at: Timestamp) {
    let ended = match (attempt.code, &attempt.reason) {
        (Some(code), Some(reason)) => format!("{code}: {}", escape::line(reason)),
        (Some(code), None) => code.to_string(),
        (None, _) => attempt.status.to_string(),
    };
    let _ = writeln!(
        text,
        "run {} (attempt {}, profile {}): {ended}",
        attempt.run_id,
        attempt.attempt,
        escape::line(&attempt.profile)
    );
    for line in &attempt.evidence {
        let _ = writeln!(text, "  {}", escape::line(line));
    }
    for verdict in &attempt.verdicts {
        let variable = verdict.variable.map(|name| format!(" ({name})"));
        let _ = writeln!(
            text,
            "  its guard stood down at {}: {}{}",
            seconds(verdict.at),
            escape::line(&verdict.reason),
            variable.unwrap_or_default()
        );
    }
    let _ = writeln!(text, "  {}", timings(attempt, at));
    for line in &attempt.log_tail {
        let _ = writeln!(text, "  | {}", escape::line(line));
    }
}

fn timings(attempt: &Attempt, at: Timestamp) -> String {
    let mut text = format!("claimed {}", seconds(attempt.claimed_at));
    match attempt.started_at {
        Some(started) => {
            let waited = span(attempt.claimed_at, started);
            let _ = write!(text, ", started {waited} later");
        }
        None if attempt.ended_at.is_some() => text.push_str(", never started"),
        None => text.push_str(", not started yet"),
    }
    let from = attempt.started_at.unwrap_or(attempt.claimed_at);
    match attempt.ended_at {
        Some(ended) => {
            let _ = write!(
                text,
                ", ended {} after {}",
                seconds(ended),
                span(from, ended)
            );
        }
        None => {
            let _ = write!(text, ", open for {}", span(from, at));
        }
    }
    text
}

fn earlier(text: &mut String, explanation: &Explanation, caller: &Caller) {
    if explanation.earlier.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nbefore that");
    for run in explanation.earlier.iter().take(EARLIER) {
        let _ = writeln!(text, "  {}", line(run));
    }
    let unshown = explanation.earlier.len().saturating_sub(EARLIER);
    let more = u32::try_from(unshown)
        .unwrap_or(u32::MAX)
        .saturating_add(explanation.earlier_untold);
    if more > 0 {
        let _ = writeln!(
            text,
            "  and {more} more: {}",
            escape::line(&caller.tenure(format_args!("runs {}", explanation.task.id)))
        );
    }
}

fn line(run: &Earlier) -> String {
    let ended = run.ended_at.map(seconds).unwrap_or_default();
    let code = run.code.map_or("open", super::Code::name);
    let reason = run.reason.as_deref().unwrap_or_default();
    format!(
        "run {} (attempt {}) {ended} {code}: {}",
        run.run_id,
        run.attempt,
        escape::short(reason, REASON_CHARS)
    )
}

fn next(text: &mut String, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nwhat to do next");
    for step in steps {
        let command = step.command.as_ref().map(|command| format!(": {command}"));
        let _ = writeln!(
            text,
            "  {}{}",
            step.words,
            escape::line(&command.unwrap_or_default())
        );
    }
}

/// The policies by who said them, a line each.
fn policies(text: &mut String, explanation: &Explanation, caller: &Caller) {
    let differ = if explanation.policies_differ_from_run {
        let runs = caller.tenure(format_args!("runs {} --json", explanation.task.id));
        format!(
            " for its next run (the open one began with others: `{}`)",
            escape::line(&runs)
        )
    } else {
        String::new()
    };
    let _ = writeln!(text, "\npolicies in force{differ}");
    for origin in Origin::ALL {
        let said = explanation
            .policies
            .iter()
            .filter(|policy| policy.origin == *origin && policy.value != "none")
            .map(|policy| format!("{} = {}", policy.key, escape::line(&policy.value)));
        let said: Vec<String> = said.collect();
        if !said.is_empty() {
            let _ = writeln!(text, "  {origin}: {}", said.join(", "));
        }
    }
}
