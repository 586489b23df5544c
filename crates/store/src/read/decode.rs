//! From rows to the shapes that are shown.

use sqlx::FromRow;
use tenure_guard::{Report, RunId, TaskId};

use super::rows::{CommentView, EarlierAttempt, ExitView, ParentResult, Related, RunView, TaskRow};
use super::stored::Stored;
use crate::clock::timestamp;
use crate::dispatcher::dispatcher_id;
use crate::error::Error;
use crate::event::Event;
use crate::ids::{BatchId, EventId};
use crate::life::{End, RunStatus};
use crate::moved::{block_kind, small};

/// A row that becomes something to show.
pub(super) trait Shown {
    type As;

    fn show(self) -> Result<Self::As, Error>;
}

/// All of them, or the first that cannot be read.
pub(super) fn show_all<T: Shown>(rows: Vec<T>) -> Result<Vec<T::As>, Error> {
    rows.into_iter().map(Shown::show).collect()
}

fn pid(number: i64) -> Result<i32, Error> {
    i32::try_from(number).map_err(|_| Error::Unreadable(format!("{number} is no pid")))
}

#[derive(FromRow)]
pub(super) struct TaskColumns {
    id: i64,
    title: String,
    status: String,
    assignee: String,
    priority: i64,
    block_kind: Option<String>,
    block_reason: Option<String>,
    not_before: Option<i64>,
    current_run_id: Option<i64>,
    attempts: i64,
    failures: i64,
    violations: i64,
    defers: i64,
    benign: i64,
    lost: i64,
    name: Option<String>,
    batch_id: Option<i64>,
    idempotency_key: Option<String>,
    body: String,
    command: Option<String>,
    cwd: String,
    env: String,
    skills: String,
    requires: String,
    limits: String,
    created_at: i64,
    updated_at: i64,
    archived_at: Option<i64>,
    since: i64,
    queued_at: i64,
    limit_key: Option<String>,
    key_limit: Option<i64>,
    paused_at: Option<i64>,
    blocks: i64,
    created_by: String,
    created_by_run: Option<i64>,
    recurrence: Option<String>,
    series_id: Option<i64>,
    result: Option<String>,
}

impl Shown for TaskColumns {
    type As = TaskRow;

    fn show(self) -> Result<TaskRow, Error> {
        Ok(TaskRow {
            id: TaskId(self.id),
            title: self.title,
            status: self.status.parse()?,
            assignee: self.assignee,
            priority: self.priority,
            block_kind: self.block_kind.as_deref().map(block_kind).transpose()?,
            block_reason: self.block_reason,
            not_before: self.not_before.map(timestamp).transpose()?,
            current_run_id: self.current_run_id.map(RunId),
            attempts: small(self.attempts)?,
            failures: small(self.failures)?,
            violations: small(self.violations)?,
            defers: small(self.defers)?,
            benign: small(self.benign)?,
            lost: small(self.lost)?,
            name: self.name,
            batch_id: self.batch_id.map(BatchId),
            key: self.idempotency_key,
            body: self.body,
            command: self.command.as_deref().map(Stored::json).transpose()?,
            cwd: self.cwd.into(),
            env: Stored::json(&self.env)?,
            skills: serde_json::from_str(&self.skills)?,
            requires: serde_json::from_str(&self.requires)?,
            limits: Stored::json(&self.limits)?,
            created_at: timestamp(self.created_at)?,
            updated_at: timestamp(self.updated_at)?,
            archived_at: self.archived_at.map(timestamp).transpose()?,
            since: timestamp(self.since)?,
            queued_at: timestamp(self.queued_at)?,
            limit_key: self.limit_key,
            limit: self.key_limit.map(small).transpose()?,
            paused_at: self.paused_at.map(timestamp).transpose()?,
            blocks: small(self.blocks)?,
            created_by: self.created_by,
            created_by_run: self.created_by_run.map(RunId),
            recurrence: self.recurrence.as_deref().map(Stored::json).transpose()?,
            series_id: self.series_id.map(TaskId),
            result: self
                .result
                .as_deref()
                .map(serde_json::from_str)
                .transpose()?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct RunColumns {
    run_id: i64,
    task_id: i64,
    attempt: i64,
    profile: String,
    outcome: Option<String>,
    reason: Option<String>,
    seen: Option<String>,
    ask: Option<String>,
    ask_by: Option<String>,
    ask_reason: Option<String>,
    asked_at: Option<i64>,
    report: Option<String>,
    reported_at: Option<i64>,
    heartbeat_at: Option<i64>,
    note: Option<String>,
    pid: Option<i64>,
    warden_pid: Option<i64>,
    dispatcher_id: String,
    limits: String,
    claimed_at: i64,
    started_at: Option<i64>,
    deadline_at: Option<i64>,
    lease_until: i64,
    ended_at: Option<i64>,
    log: Option<String>,
    socket: Option<String>,
    tree_unverified: i64,
}

impl RunColumns {
    fn status(&self) -> RunStatus {
        if self.ended_at.is_some() {
            RunStatus::Ended
        } else if self.report.is_some() || self.ask.is_some() {
            RunStatus::Ending
        } else if self.started_at.is_some() {
            RunStatus::Running
        } else {
            RunStatus::Claimed
        }
    }
}

impl Shown for RunColumns {
    type As = RunView;

    fn show(self) -> Result<RunView, Error> {
        let seen: Option<Stored<End>> = self.seen.as_deref().map(Stored::json).transpose()?;
        let end = seen.as_ref().and_then(Stored::known);
        let report = self.report.as_deref().map(serde_json::from_str);
        Ok(RunView {
            status: self.status(),
            run_id: RunId(self.run_id),
            task_id: TaskId(self.task_id),
            attempt: small(self.attempt)?,
            profile: self.profile,
            outcome: self.outcome.map(Stored::word),
            reason: self.reason,
            exit: end.and_then(End::exit).map(ExitView::from),
            core: end.and_then(End::core).cloned(),
            seen,
            ask: self.ask.as_deref().map(str::parse).transpose()?,
            ask_by: self.ask_by,
            ask_reason: self.ask_reason,
            asked_at: self.asked_at.map(timestamp).transpose()?,
            report: report.transpose()?,
            reported_at: self.reported_at.map(timestamp).transpose()?,
            heartbeat_at: self.heartbeat_at.map(timestamp).transpose()?,
            note: self.note,
            pid: self.pid.map(pid).transpose()?,
            warden_pid: self.warden_pid.map(pid).transpose()?,
            dispatcher_id: dispatcher_id(&self.dispatcher_id)?,
            limits: Stored::json(&self.limits)?,
            claimed_at: timestamp(self.claimed_at)?,
            started_at: self.started_at.map(timestamp).transpose()?,
            deadline_at: self.deadline_at.map(timestamp).transpose()?,
            lease_until: timestamp(self.lease_until)?,
            ended_at: self.ended_at.map(timestamp).transpose()?,
            log: self.log.map(Into::into),
            socket: self.socket.map(Into::into),
            tree_unverified: self.tree_unverified != 0,
        })
    }
}

#[derive(FromRow)]
pub(super) struct RelatedColumns {
    id: i64,
    title: String,
    status: String,
    kind: String,
    met_at: Option<i64>,
}

impl Shown for RelatedColumns {
    type As = Related;

    fn show(self) -> Result<Related, Error> {
        Ok(Related {
            id: TaskId(self.id),
            title: self.title,
            status: self.status.parse()?,
            kind: self.kind.parse()?,
            met_at: self.met_at.map(timestamp).transpose()?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct CommentColumns {
    author: String,
    run_id: Option<i64>,
    text: String,
    created_at: i64,
}

impl Shown for CommentColumns {
    type As = CommentView;

    fn show(self) -> Result<CommentView, Error> {
        Ok(CommentView {
            author: self.author,
            run_id: self.run_id.map(RunId),
            text: self.text,
            created_at: timestamp(self.created_at)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct EventColumns {
    id: i64,
    task_id: Option<i64>,
    run_id: Option<i64>,
    kind: String,
    at: i64,
    payload: String,
}

impl Shown for EventColumns {
    type As = Event;

    fn show(self) -> Result<Event, Error> {
        Ok(Event {
            id: EventId(self.id),
            task_id: self.task_id.map(TaskId),
            run_id: self.run_id.map(RunId),
            kind: Stored::word(self.kind),
            at: timestamp(self.at)?,
            payload: serde_json::from_str(&self.payload)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct ParentColumns {
    id: i64,
    title: String,
    status: String,
    kind: String,
    outcome: Option<String>,
    reason: Option<String>,
    report: Option<String>,
}

impl Shown for ParentColumns {
    type As = ParentResult;

    fn show(self) -> Result<ParentResult, Error> {
        // Of another kind of report a child is told nothing.
        let report: Option<Stored<Report>> =
            self.report.as_deref().map(Stored::json).transpose()?;
        let (summary, metadata, artifacts) = match report {
            Some(Stored::Known(Report::Complete {
                summary,
                metadata,
                artifacts,
            })) => (summary, metadata, artifacts),
            Some(
                Stored::Known(
                    Report::Wait { .. }
                    | Report::Block { .. }
                    | Report::Defer { .. }
                    | Report::Fail { .. },
                )
                | Stored::Foreign(_),
            )
            | None => (None, None, Vec::new()),
        };
        Ok(ParentResult {
            id: TaskId(self.id),
            title: self.title,
            status: self.status.parse()?,
            kind: self.kind.parse()?,
            outcome: self.outcome.map(Stored::word),
            reason: self.reason,
            summary,
            metadata,
            artifacts,
        })
    }
}

#[derive(FromRow)]
pub(super) struct AttemptColumns {
    run_id: i64,
    attempt: i64,
    outcome: String,
    reason: String,
    ended_at: i64,
}

impl Shown for AttemptColumns {
    type As = EarlierAttempt;

    fn show(self) -> Result<EarlierAttempt, Error> {
        Ok(EarlierAttempt {
            run_id: RunId(self.run_id),
            attempt: small(self.attempt)?,
            outcome: Stored::word(self.outcome),
            reason: self.reason,
            ended_at: timestamp(self.ended_at)?,
        })
    }
}
