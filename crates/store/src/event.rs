//! What happened: one row per change of state, written in the same transaction.

use serde::{Deserialize, Serialize};
use tenure_guard::{RunId, TaskId};

use crate::ids::EventId;
use crate::life::word::words;
use crate::read::Stored;

words! {
    /// Every kind of event. The list only grows.
    pub enum EventKind as "event kind" {
        /// The task was added.
        Added = "added",
        /// Its last parent is done.
        ParentsDone = "parents_done",
        /// Its time has come.
        Due = "due",
        /// A dispatcher took it.
        Claimed = "claimed",
        /// Its command was let go.
        Started = "started",
        /// Its dispatcher is gone, and another one took the run up.
        Adopted = "adopted",
        /// The worker reported how it ended.
        Reported = "reported",
        /// A person or a limit asked the run to end.
        Asked = "asked",
        /// The run closed; the payload has outcome, reason, and where the task went.
        Ended = "ended",
        /// The breaker: a limit was reached, and the task is blocked.
        GaveUp = "gave_up",
        /// A guard stood down with this run's own lock.
        StoodDown = "stood_down",
        /// A process of a run that was closed already came to its end.
        StaleExit = "stale_exit",
        /// A worker's report came when its run could take none any more.
        ReportRefused = "report_refused",
        /// Somebody left a remark.
        Commented = "commented",
        /// A person lets the task wait.
        Blocked = "blocked",
        /// A person lets it go on.
        Unblocked = "unblocked",
        /// A person wants it tried again.
        Retried = "retried",
        /// Nobody wants it any more: a person said so, or what it was to follow ended otherwise.
        Cancelled = "cancelled",
        /// A person says that the work is done.
        Completed = "completed",
        /// A person lets it start before its parents are done or its time has come.
        Promoted = "promoted",
        /// A person gave it to another profile.
        Reassigned = "reassigned",
        /// A person mended it.
        Edited = "edited",
        /// A person put it away.
        Archived = "archived",
        /// A person keeps the store, a profile or the task from starting anything.
        Paused = "paused",
        /// And lets it start again.
        Resumed = "resumed",
        /// A dispatcher was asked to take nothing new.
        Draining = "draining",
        /// It waits for one more task, as its worker said.
        Linked = "linked",
        /// A time at which it was to recur passed without a run.
        Skipped = "skipped",
        /// A hook could not be told of an event.
        HookFailed = "hook_failed",
        /// What was old was cleared away.
        Cleared = "cleared",
    }
}

impl EventKind {
    /// Whether a dispatcher may have something to do: to start, to end, or to leave.
    pub(crate) fn is_work(self) -> bool {
        match self {
            Self::Added
            | Self::ParentsDone
            | Self::Due
            | Self::Asked
            | Self::Ended
            | Self::Unblocked
            | Self::Retried
            | Self::Promoted
            | Self::Reassigned
            | Self::Edited
            | Self::Resumed
            | Self::Draining => true,
            Self::Claimed
            | Self::Started
            | Self::Adopted
            | Self::Reported
            | Self::GaveUp
            | Self::StoodDown
            | Self::StaleExit
            | Self::ReportRefused
            | Self::Commented
            | Self::Blocked
            | Self::Cancelled
            | Self::Completed
            | Self::Archived
            | Self::Paused
            | Self::Linked
            | Self::Skipped
            | Self::HookFailed
            | Self::Cleared => false,
        }
    }
}

/// One event. Its JSON is one line of `tenure events --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises in the order of writing.
    pub id: EventId,
    /// Whose it is; `None` where it is about the store as a whole.
    pub task_id: Option<TaskId>,
    /// And of which run, where one is concerned.
    pub run_id: Option<RunId>,
    /// What happened.
    pub kind: Stored<EventKind>,
    /// When, by the store's clock.
    pub at: jiff::Timestamp,
    /// The particulars; an object.
    pub payload: serde_json::Value,
}
