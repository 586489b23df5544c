//! end: the one place that closes a run.

use tenure_guard::{Reason, TaskId, Tenure};

use crate::error::Error;
use crate::life::{End, Outcome, TaskStatus};
use crate::open::Store;

/// How a run closed, and where its task went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// Why it is that one.
    pub reason: String,
    /// Where the task stands now.
    pub status: TaskStatus,
    /// Children that this end let go.
    pub promoted: Vec<TaskId>,
}

impl Store {
    /// Closes a run whose whole tree is dead, fenced: classifies by what was recorded and seen,
    /// writes the outcome, moves the task, promotes its children, in one transaction. Closing it
    /// again is answered as the first time and adds a `stale_exit` event only where `end` differs
    /// from what is recorded.
    ///
    /// # Errors
    /// [`Error::NotOwner`] where the lock is not the run's, [`Error::Unavailable`].
    pub async fn end(&self, tenure: Tenure, end: End) -> Result<Ended, Error> {
        let _ = (tenure, end);
        todo!()
    }

    /// Writes the event that a guard stood down; only where the lock shown is that run's own. The
    /// run itself stays as it is. Whether it was written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stood_down(&self, tenure: Tenure, reason: Reason) -> Result<bool, Error> {
        let _ = (tenure, reason);
        todo!()
    }
}
