//! The reading half: what the command line shows. Each answers from indexes, in pages.

mod rows;

pub use rows::{
    CommentView, Context, Counts, Detail, EarlierAttempt, EventFilter, ExitView, Page,
    ParentResult, Related, RunView, TaskFilter, TaskRow,
};

use tenure_guard::{RunId, TaskId};

use crate::error::Error;
use crate::event::Event;
use crate::ids::{BatchId, EventId};
use crate::open::Store;

impl Store {
    /// A page of tasks, and how many more there are.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list(&self, filter: &TaskFilter) -> Result<Page<TaskRow>, Error> {
        let _ = filter;
        todo!()
    }

    /// All about one task.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn show(&self, task: TaskId) -> Result<Detail, Error> {
        let _ = task;
        todo!()
    }

    /// The tasks with these ids, in that order.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRow>, Error> {
        let _ = ids;
        todo!()
    }

    /// The runs of a task, oldest first.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn runs(&self, task: TaskId) -> Result<Vec<RunView>, Error> {
        let _ = task;
        todo!()
    }

    /// One run.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`], [`Error::Unavailable`].
    pub async fn run(&self, run: RunId) -> Result<RunView, Error> {
        let _ = run;
        todo!()
    }

    /// Events in the order of writing, a page of at most `limit`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Error> {
        let _ = filter;
        todo!()
    }

    /// The newest event's id, to begin following from.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn newest_event(&self) -> Result<EventId, Error> {
        todo!()
    }

    /// How many tasks of a batch stand where.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn batch_counts(&self, batch: BatchId) -> Result<Counts, Error> {
        let _ = batch;
        todo!()
    }

    /// What a worker is told at its start (`TENURE_CONTEXT`).
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn context(&self, task: TaskId, run: RunId) -> Result<Context, Error> {
        let _ = (task, run);
        todo!()
    }
}
