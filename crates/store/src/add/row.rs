//! The row of a new task: its columns, and where it stands first.

use super::links::Link;
use crate::clock::{millis, timestamp};
use crate::error::Error;
use crate::ids::BatchId;
use crate::lane::Lane;
use crate::life::{Rest, TaskStatus};
use crate::task::{NewTask, NotBefore, Work};
use crate::value::{Value, values};

/// What tells a task from others, beside what was said of it.
pub(super) struct Name<'a> {
    pub(super) request: &'a str,
    /// Where it has a key.
    pub(super) fingerprint: Option<&'a str>,
    pub(super) batch: Option<BatchId>,
    /// The run of the worker that adds it.
    pub(super) run: Option<tenure_guard::RunId>,
}

/// A new task, before it has its id.
pub(super) struct Row {
    /// In the order of the statement that adds them.
    columns: Vec<Value>,
    pub(super) status: TaskStatus,
}

impl Row {
    /// The row of a task that is added now.
    pub(super) fn of(
        task: &NewTask,
        name: &Name<'_>,
        links: &[Link],
        now: i64,
    ) -> Result<Self, Error> {
        let not_before = not_before(task, now)?;
        let pending = links.iter().filter(|link| link.met_at.is_none()).count();
        let pending = i64::try_from(pending).unwrap_or(i64::MAX);
        let status = Rest {
            waits_for_parents: pending > 0,
            // What recurs begins when its time has come, also where that is now.
            waits_for_time: task.recurrence.is_some() || not_before.is_some_and(|time| time > now),
        }
        .status();
        let command = match &task.work {
            Work::Command(argv) => Some(serde_json::to_string(argv)?),
            Work::Assignee(_) => None,
        };
        let limit_key = task.limit_key.as_ref();
        let of_limit = limit_key.map(|limit| (limit.key.as_str(), limit.limit));
        let recurrence = task.recurrence.as_ref().map(serde_json::to_string);
        let columns = values![
            name.batch,
            task.name.as_deref(),
            task.title(),
            task.body.as_str(),
            task.work.profile(),
            command,
            task.cwd.as_path(),
            serde_json::to_string(&task.env)?,
            serde_json::to_string(&task.skills)?,
            serde_json::to_string(&task.limits)?,
            task.priority,
            status,
            pending,
            not_before,
            task.key.as_deref(),
            name.fingerprint,
            name.request,
            // From then on its place in the order is counted.
            not_before.map_or(now, |time| time.max(now)),
            Lane::of(&task.skills, &task.requires, of_limit).text()?,
            limit_key.map(|limit| limit.key.as_str()),
            limit_key.map(|limit| limit.limit),
            recurrence.transpose()?,
            task.created_by.as_str(),
            name.run,
            serde_json::to_string(&task.requires)?,
        ];
        Ok(Self { columns, status })
    }

    /// As the statement takes it.
    pub(super) fn into_json(self) -> serde_json::Value {
        self.columns.into_iter().map(Value::into_json).collect()
    }
}

/// When the task may start at the earliest; of one that recurs, its first time.
fn not_before(task: &NewTask, now: i64) -> Result<Option<i64>, Error> {
    let said = task.not_before.map(|time| match time {
        NotBefore::At(time) => time.as_millisecond(),
        NotBefore::In(wait) => now.saturating_add(millis(wait)),
    });
    let Some(recurrence) = &task.recurrence else {
        return Ok(said);
    };
    let first = recurrence.times.first(timestamp(said.unwrap_or(now))?);
    first
        .map(|first| Some(first.as_millisecond()))
        .ok_or_else(|| {
            Error::Invalid(format!(
                "{} never comes after the time given: name an earlier one",
                recurrence.times
            ))
        })
}
