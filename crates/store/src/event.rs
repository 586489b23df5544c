//! What happened: one row per change of state, written in the same transaction.

use serde::{Deserialize, Serialize};
use tenure_guard::{RunId, TaskId};

use crate::ids::EventId;
use crate::life::word::words;

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
        /// Somebody left a remark.
        Commented = "commented",
        /// A person lets the task wait.
        Blocked = "blocked",
        /// A person lets it go on.
        Unblocked = "unblocked",
        /// A person wants it tried again.
        Retried = "retried",
        /// A person does not want it any more.
        Cancelled = "cancelled",
    }
}

/// One event. Its JSON is one line of `tenure events --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises in the order of writing.
    pub id: EventId,
    /// Whose it is.
    pub task_id: TaskId,
    /// And of which run, where one is concerned.
    pub run_id: Option<RunId>,
    /// What happened.
    pub kind: EventKind,
    /// When, by the store's clock.
    pub at: jiff::Timestamp,
    /// The particulars; an object.
    pub payload: serde_json::Value,
}
