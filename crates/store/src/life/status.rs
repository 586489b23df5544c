//! Where a task and a run stand.

use super::word::words;

words! {
    /// Where a task stands. Archiving is a mark beside the status, not a status.
    pub enum TaskStatus as "task status" {
        /// A parent is not done.
        Todo = "todo",
        /// Not before a time: asked for, deferred, or backing off.
        Scheduled = "scheduled",
        /// A dispatcher may claim it.
        Ready = "ready",
        /// It has an open run.
        Running = "running",
        /// It waits for a person.
        Blocked = "blocked",
        /// The work is done.
        Done = "done",
        /// A person does not want it any more.
        Cancelled = "cancelled",
    }
}

impl TaskStatus {
    /// Whether nothing more will happen to the task unless a person acts.
    pub fn waits_for_a_person(self) -> bool {
        match self {
            Self::Blocked | Self::Done | Self::Cancelled => true,
            Self::Todo | Self::Scheduled | Self::Ready | Self::Running => false,
        }
    }

    /// Whether the task is over: what `list` leaves out.
    pub fn is_finished(self) -> bool {
        match self {
            Self::Done | Self::Cancelled => true,
            Self::Todo | Self::Scheduled | Self::Ready | Self::Running | Self::Blocked => false,
        }
    }
}

words! {
    /// Where a run stands. Derived from its columns, never stored.
    pub enum RunStatus as "run status" {
        /// Claimed; its command has not started.
        Claimed = "claimed",
        /// Its command was let go.
        Running = "running",
        /// It reported, or was asked to end; its tree is not yet verified dead.
        Ending = "ending",
        /// Closed, with an outcome.
        Ended = "ended",
    }
}
