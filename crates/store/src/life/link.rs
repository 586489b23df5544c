//! How a child waits for a parent, and what the parent's end tells it.

use tenure_guard::BlockKind;

use super::status::TaskStatus;
use super::word::words;

words! {
    /// Which end of the parent a child waits for.
    pub enum LinkKind as "kind of link" {
        /// The parent is done. A parent that was given up or cancelled keeps the child waiting: it may
        /// yet be retried.
        Success = "success",
        /// The parent came to an end: done, given up, or cancelled.
        AnyEnd = "any_end",
        /// The parent was given up. Where it ends otherwise nobody wants the child any more.
        Failure = "failure",
    }
}

words! {
    /// How a task came to an end, as those see it that wait for it.
    pub enum TaskEnd as "end of a task" {
        /// The work is done.
        Done = "done",
        /// The breaker gave it up.
        GivenUp = "given_up",
        /// Nobody wants it any more.
        Cancelled = "cancelled",
    }
}

/// What the end of a parent means to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It waits for this parent no longer, whatever becomes of the parent later.
    Met,
    /// It waits still: the parent may yet be retried.
    Waiting,
    /// What it waits for did not happen, so nobody wants it any more.
    NotNeeded,
}

/// How a task stands for which another is to wait, as that one's worker said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// It is not done.
    Open,
    /// It is done already.
    Done,
    /// It waits for the other one itself, directly or through others.
    Circle,
    /// There is no such task.
    Gone,
}

impl TaskEnd {
    /// The end to which a task came that stands so, where it came to one. A task that is blocked for
    /// any other reason than the breaker's goes on once a person lets it.
    pub fn of(status: TaskStatus, block: Option<BlockKind>) -> Option<Self> {
        match (status, block) {
            (TaskStatus::Done, _) => Some(Self::Done),
            (TaskStatus::Cancelled, _) => Some(Self::Cancelled),
            (TaskStatus::Blocked, Some(BlockKind::GaveUp)) => Some(Self::GivenUp),
            (
                TaskStatus::Blocked,
                Some(BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator) | None,
            )
            | (
                TaskStatus::Todo | TaskStatus::Scheduled | TaskStatus::Ready | TaskStatus::Running,
                _,
            ) => None,
        }
    }
}

impl LinkKind {
    /// **The table of links.** What a child is told by an end of its parent.
    ///
    /// | waits for | done | given up | cancelled |
    /// |---|---|---|---|
    /// | success | met | waits | waits |
    /// | any end | met | met | met |
    /// | failure | not needed | met | not needed |
    pub fn told(self, end: TaskEnd) -> Told {
        match (self, end) {
            (Self::Success, TaskEnd::Done)
            | (Self::AnyEnd, TaskEnd::Done | TaskEnd::GivenUp | TaskEnd::Cancelled)
            | (Self::Failure, TaskEnd::GivenUp) => Told::Met,
            (Self::Success, TaskEnd::GivenUp | TaskEnd::Cancelled) => Told::Waiting,
            (Self::Failure, TaskEnd::Done | TaskEnd::Cancelled) => Told::NotNeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_breaker_makes_a_blocked_task_one_that_ended() {
        for kind in BlockKind::ALL {
            let expected = (kind == BlockKind::GaveUp).then_some(TaskEnd::GivenUp);
            assert_eq!(TaskEnd::of(TaskStatus::Blocked, Some(kind)), expected);
        }
        for status in TaskStatus::ALL.iter().copied() {
            let has_ended = TaskEnd::of(status, None).is_some();
            assert_eq!(has_ended, status.is_finished(), "{status}");
        }
    }
}
