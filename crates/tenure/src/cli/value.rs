//! Values as people write them on a command line: times, variables, back-offs. Durations are the
//! store's ([`duration`]); each error says what was expected.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use tenure_guard::{BlockKind, MalformedId, RunId, TaskId};
use tenure_store::duration;
use tenure_store::life::{Backoff, BackoffBy, OnExit, TempfailExit};
use tenure_store::task::NotBefore;

use crate::config::variable_problem;

/// A task's id. Zero and what is below are whole numbers too: that no task has them is for the store
/// to say, as with any other number.
pub fn task_id(text: &str) -> Result<TaskId, MalformedId> {
    id(text, TaskId)
}

/// A run's id; as [`task_id`].
pub(super) fn run_id(text: &str) -> Result<RunId, MalformedId> {
    id(text, RunId)
}

fn id<Id: FromStr<Err = MalformedId>>(text: &str, of: fn(i64) -> Id) -> Result<Id, MalformedId> {
    match text.parse() {
        Ok(number @ ..=0) => Ok(of(number)),
        Ok(1..) | Err(_) => text.parse(),
    }
}

/// How many of something.
pub(super) fn count(text: &str) -> Result<u32, String> {
    let parsed = text.parse();
    parsed.map_err(|_| {
        format!(
            "a whole number is expected, like 3, and {} at most",
            u32::MAX
        )
    })
}

/// An age: a duration, or a number of days.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    match days {
        Some(days) => Ok(Duration::from_hours(24 * u64::from(days))),
        None => duration::parse(text)
            .map_err(|_| format!("{text:?} is no age: 30d, or a duration like 12h, is expected")),
    }
}

pub(super) fn priority(text: &str) -> Result<i32, String> {
    let (least, most) = (i32::MIN, i32::MAX);
    let parsed = text.parse();
    parsed.map_err(|_| format!("a whole number is expected, from {least} to {most}, higher first"))
}

/// What somebody says in words: nothing is not enough.
pub(super) fn words(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty: say it in words".to_owned());
    }
    Ok(text.to_owned())
}

/// A time as people write it: RFC 3339, or `+30m` from now by the store's clock.
pub fn not_before(text: &str) -> Result<NotBefore, String> {
    if let Some(wait) = text.strip_prefix('+') {
        return duration::parse(wait)
            .map(NotBefore::In)
            .map_err(|error| error.to_string());
    }
    text.parse().map(NotBefore::At).map_err(|_| {
        format!("{text:?} is no time: RFC 3339 is expected, like 2026-01-31T08:00:00Z, or +30m")
    })
}

pub(super) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} has no =: K=V is expected"))?;
    match variable_problem(name, value) {
        Some(problem) => Err(problem),
        None => Ok((name.to_owned(), value.to_owned())),
    }
}

pub(super) fn backoff(text: &str) -> Result<Backoff, String> {
    let (base, max) = text
        .split_once("..")
        .ok_or_else(|| format!("{text:?} is no back-off: BASE..MAX is expected, like 2s..10m"))?;
    let part = |text| duration::parse(text).map_err(|error| error.to_string());
    Ok(Backoff {
        base: part(base)?,
        max: part(max)?,
    })
}

/// The back-off after one outcome.
pub(super) fn backoff_by(text: &str) -> Result<BackoffBy, String> {
    let (outcome, bounds) = text.split_once('=').ok_or_else(|| {
        format!("{text:?} has no =: OUTCOME=BASE..MAX is expected, like timed_out=1m..1h")
    })?;
    BTreeMap::from([(outcome.to_owned(), backoff(bounds)?)]).try_into()
}

/// A rule about one exit code or signal.
pub(super) fn on_exit(text: &str) -> Result<OnExit, String> {
    let (exit, rule) = text.split_once('=').ok_or_else(|| {
        format!("{text:?} has no =: EXIT=RULE is expected, like 2=block:needs_input")
    })?;
    BTreeMap::from([(exit.to_owned(), rule.to_owned())]).try_into()
}

pub(super) fn tempfail(text: &str) -> Result<TempfailExit, String> {
    let value = text
        .parse::<i64>()
        .map_or_else(|_| serde_json::Value::from(text), serde_json::Value::from);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

pub(super) fn block_kind(text: &str) -> Result<BlockKind, String> {
    let known = BlockKind::ALL.into_iter().find(|kind| kind.name() == text);
    known.ok_or_else(|| {
        format!("{text:?} is no kind of block: needs_input, capability or operator is expected")
    })
}

pub(super) fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_whole_number_is_an_id_that_a_task_may_or_may_not_have() {
        assert_eq!(task_id("7").unwrap(), TaskId(7));
        assert_eq!(task_id("0").unwrap(), TaskId(0));
        assert_eq!(run_id("-1").unwrap(), RunId(-1));
        for wrong in ["", "x", "01", "+7", "7.0", "99999999999999999999"] {
            assert!(task_id(wrong).is_err(), "{wrong:?} was taken for an id");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(
            not_before("+30m"),
            Ok(NotBefore::In(Duration::from_mins(30)))
        );
        assert!(matches!(
            not_before("2026-01-31T08:00:00Z"),
            Ok(NotBefore::At(_))
        ));
        for wrong in ["", "noon", "+30", "2026-01-31T08:00:00"] {
            assert!(not_before(wrong).is_err(), "{wrong:?} was taken for a time");
        }
    }
}
