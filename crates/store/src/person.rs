//! person: what people want of a task. A running task is never moved from here: the wish is
//! recorded on its run, and the holder's side carries it out.

use tenure_guard::{BlockKind, RunId, TaskId};

use crate::error::Error;
use crate::life::{Ask, TaskStatus};
use crate::open::Store;

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The task is not wanted any more.
    Cancel,
    /// End its run and keep it from starting again. Refused where nothing runs.
    Stop,
    /// Take it back and leave it ready. Refused where nothing runs.
    Reclaim,
    /// Let it wait.
    Block {
        /// Why it waits; [`BlockKind::GaveUp`] is the breaker's alone.
        kind: BlockKind,
    },
    /// Let it go on; all streaks start anew.
    Unblock,
    /// Try it again from a clean slate: parents and time still count, streaks start anew.
    Retry,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The task moved.
    Moved(TaskStatus),
    /// It is running: the run was asked, and will end.
    Asked {
        /// The run.
        run: RunId,
        /// What stands on it: the first ask of a person.
        ask: Ask,
    },
}

impl Store {
    /// Carries out a wish, or records it on the running run; `by` and `reason` go to the event.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Illegal`], [`Error::Refused`], [`Error::Unavailable`].
    pub async fn wish(
        &self,
        task: TaskId,
        wish: Wish,
        by: String,
        reason: Option<String>,
    ) -> Result<Granted, Error> {
        let _ = (task, wish, by, reason);
        todo!()
    }
}
