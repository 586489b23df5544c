//! The shapes that reading verbs show. Their JSON is relied on: fields are only ever added.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tenure_guard::{BlockKind, RunId, TaskId};

use super::situation::Counted;
use super::stored::Stored;
use crate::event::{Event, EventKind};
use crate::ids::{BatchId, DispatcherId, EventId};
use crate::life::{
    Ask, CoreDump, End, Exit, Limits, LimitsLayer, LinkKind, Outcome, Recurrence, RunStatus,
    TaskStatus,
};

/// Which tasks to list.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Finished ones too; without it, those that are not.
    pub all: bool,
    /// Only of this status (finished or not).
    pub status: Option<TaskStatus>,
    /// Only of this assignee.
    pub assignee: Option<String>,
    /// Only of this batch.
    pub batch: Option<BatchId>,
    /// At most so many; `None` is all.
    pub limit: Option<u32>,
}

impl TaskFilter {
    /// Whether tasks that were put away are wanted too: where their status is asked for, or all are.
    pub(super) fn shows_archived(&self) -> bool {
        self.all || self.status.is_some()
    }
}

/// Some rows, and how many more there would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many more, counted up to a bound.
    pub more: Counted,
}

/// A task as `list` and `show` print it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the task, named alike"
)]
pub struct TaskRow {
    pub id: TaskId,
    pub title: String,
    pub status: TaskStatus,
    pub assignee: String,
    pub priority: i64,
    pub block_kind: Option<BlockKind>,
    pub block_reason: Option<String>,
    pub not_before: Option<Timestamp>,
    pub current_run_id: Option<RunId>,
    pub attempts: u32,
    pub failures: u32,
    pub violations: u32,
    pub defers: u32,
    pub benign: u32,
    pub lost: u32,
    pub name: Option<String>,
    pub batch_id: Option<BatchId>,
    pub key: Option<String>,
    pub body: String,
    pub command: Option<Stored<Vec<String>>>,
    pub cwd: PathBuf,
    pub env: Stored<BTreeMap<String, String>>,
    pub skills: Vec<String>,
    pub requires: Vec<String>,
    pub limits: Stored<LimitsLayer>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub archived_at: Option<Timestamp>,
    pub since: Timestamp,
    pub queued_at: Timestamp,
    pub limit_key: Option<String>,
    pub limit: Option<u32>,
    pub paused_at: Option<Timestamp>,
    pub blocks: u32,
    pub created_by: String,
    pub created_by_run: Option<RunId>,
    pub recurrence: Option<Stored<Recurrence>>,
    pub series_id: Option<TaskId>,
    pub result: Option<serde_json::Value>,
}

/// How a worker's main process ended: `{"code":1}`, `{"signal":9}` or `{"unobserved":true}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitView {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// Nobody saw it.
    Unobserved(bool),
}

impl From<Exit> for ExitView {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Self::Code(code),
            Exit::Signal(signal) => Self::Signal(signal),
            Exit::Unobserved => Self::Unobserved(true),
        }
    }
}

/// A run as `runs` and `show` print it. The claim lock is not among its fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the run, named alike"
)]
pub struct RunView {
    pub run_id: RunId,
    pub task_id: TaskId,
    pub attempt: u32,
    pub status: RunStatus,
    pub profile: String,
    pub outcome: Option<Stored<Outcome>>,
    pub reason: Option<String>,
    pub exit: Option<ExitView>,
    /// The core of the worker's main process, where the kernel dumped it.
    pub core: Option<CoreDump>,
    /// All that was seen of its end, the exit included.
    pub seen: Option<Stored<End>>,
    pub ask: Option<Ask>,
    pub ask_by: Option<String>,
    pub ask_reason: Option<String>,
    pub asked_at: Option<Timestamp>,
    pub report: Option<serde_json::Value>,
    pub reported_at: Option<Timestamp>,
    pub heartbeat_at: Option<Timestamp>,
    pub note: Option<String>,
    pub pid: Option<i32>,
    pub warden_pid: Option<i32>,
    pub dispatcher_id: DispatcherId,
    pub limits: Stored<Limits>,
    pub claimed_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub deadline_at: Option<Timestamp>,
    pub lease_until: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub log: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub tree_unverified: bool,
}

impl RunView {
    /// How it ended, where it did and this program knows what that means.
    pub fn known_outcome(&self) -> Option<Outcome> {
        self.outcome.as_ref()?.known().copied()
    }

    /// What was seen of its end, as far as this program knows what that means.
    pub fn known_end(&self) -> Option<&End> {
        self.seen.as_ref()?.known()
    }
}

/// A parent or a child, and how the child waits for the parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the task and of the link, named alike"
)]
pub struct Related {
    pub id: TaskId,
    pub title: String,
    pub status: TaskStatus,
    pub kind: LinkKind,
    pub met_at: Option<Timestamp>,
}

/// A remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the comment, named alike"
)]
pub struct CommentView {
    pub author: String,
    pub run_id: Option<RunId>,
    pub text: String,
    pub created_at: Timestamp,
}

/// All about one task: `show --json`. Of its events, the newest [`Detail::EVENTS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each field is explained at its type")]
pub struct Detail {
    pub task: TaskRow,
    pub runs: Vec<RunView>,
    pub events: Vec<Event>,
    pub parents: Vec<Related>,
    pub children: Vec<Related>,
    pub comments: Vec<CommentView>,
}

impl Detail {
    /// How many of a task's newest events `show` reads; `events` pages through all of them.
    pub const EVENTS: u32 = 200;
}

/// Which events to read, in the order of writing.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Only those after this one.
    pub after: EventId,
    /// Only this task's.
    pub task: Option<TaskId>,
    /// Only this batch's.
    pub batch: Option<BatchId>,
    /// Only of this kind.
    pub kind: Option<EventKind>,
    /// At most so many.
    pub limit: u32,
}

/// What a worker is told at its start: the file that `TENURE_CONTEXT` names, version 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// The version of this shape.
    pub version: u32,
    /// The task.
    pub task: TaskRow,
    /// What came of its parents.
    pub parents: Vec<ParentResult>,
    /// How earlier attempts ended, oldest first; the newest [`Context::ATTEMPTS`].
    pub attempts: Vec<EarlierAttempt>,
    /// Remarks, oldest first; the newest [`Context::COMMENTS`].
    pub comments: Vec<CommentView>,
}

impl Context {
    /// The version of this shape.
    pub const VERSION: u32 = 1;
    /// How many earlier attempts a worker is told of: more would not change what it does.
    pub const ATTEMPTS: u32 = 20;
    /// How many remarks a worker is told of.
    pub const COMMENTS: u32 = 100;
}

/// What came of a parent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are the parent's columns, those of the link and of the newest run, and the \
              report's fields"
)]
pub struct ParentResult {
    pub id: TaskId,
    pub title: String,
    pub status: TaskStatus,
    pub kind: LinkKind,
    pub outcome: Option<Stored<Outcome>>,
    pub reason: Option<String>,
    pub summary: Option<String>,
    pub metadata: Option<serde_json::Value>,
    pub artifacts: Vec<String>,
}

/// How an earlier attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the run, named alike"
)]
pub struct EarlierAttempt {
    pub run_id: RunId,
    pub attempt: u32,
    pub outcome: Stored<Outcome>,
    pub reason: String,
    pub ended_at: Timestamp,
}
