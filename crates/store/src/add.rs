//! add: takes tasks, whole or not at all.

use serde::Serialize;
use tenure_guard::TaskId;

use crate::error::Error;
use crate::ids::BatchId;
use crate::open::Store;
use crate::task::NewTask;

/// What became of a task that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    /// Its id.
    pub id: TaskId,
    /// Whether it is new; `false` where its idempotency key was there already.
    pub created: bool,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The batch.
    pub batch: BatchId,
    /// Its tasks, in the order given.
    pub tasks: Vec<Added>,
}

impl Store {
    /// Adds one task, durable when this returns. A lost answer is read back before it is repeated.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoSuchTask`] for a parent, [`Error::KeyTaken`],
    /// [`Error::Unavailable`].
    pub async fn add(&self, task: NewTask) -> Result<Added, Error> {
        let _ = task;
        todo!()
    }

    /// Adds a batch of tasks, all or none; `source` says where they came from. Cycles among
    /// siblings are [`Error::Invalid`], and name the tasks.
    ///
    /// # Errors
    /// As [`Store::add`].
    pub async fn submit(&self, source: &str, tasks: Vec<NewTask>) -> Result<Submitted, Error> {
        let _ = (source, tasks);
        todo!()
    }
}
