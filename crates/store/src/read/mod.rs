//! The reading half: what the command line shows. Each answers from indexes, in pages.

mod by_worker;
mod decode;
mod last_served;
mod outlook;
mod rows;
mod situation;
mod stats;
mod stored;

pub use last_served::{Departure, LastServed};
pub use outlook::{Outlook, Standstill};
pub use rows::{
    CommentView, Context, Detail, EarlierAttempt, EventFilter, ExitView, Page, ParentResult,
    Related, RunView, TaskFilter, TaskRow,
};
pub(crate) use situation::pauses;
pub use situation::{
    CalledOff, Counted, Gone, Holder, Pause, Place, Serving, Situation, WaitedFor,
};
pub use stats::{OfProfile, Stats, Tally, Unfinished};
pub use stored::Stored;

use tenure_guard::{RunId, TaskId};

use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::ids::EventId;
use crate::life::TaskStatus;
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use decode::{
    AttemptColumns, CommentColumns, EventColumns, ParentColumns, RelatedColumns, RunColumns, Shown,
    TaskColumns, show_all,
};

impl Store {
    /// A page of tasks, oldest first, and how many more there are.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list(&self, filter: &TaskFilter) -> Result<Page<TaskRow>, Error> {
        self.read(async |tx| page(tx, filter).await).await
    }

    /// All about one task.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn show(&self, task: TaskId) -> Result<Detail, Error> {
        self.read(async |tx| detail(tx, task).await).await
    }

    /// The tasks with these ids, in that order.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRow>, Error> {
        self.read(async |tx| {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.push(one_task(tx, *id).await?);
            }
            Ok(rows)
        })
        .await
    }

    /// The runs of a task, oldest first.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn runs(&self, task: TaskId) -> Result<Vec<RunView>, Error> {
        self.read(async |tx| {
            one_task(tx, task).await?;
            show_all::<RunColumns>(tx.fetch(&sql::RUNS_OF_TASK, values![task]).await?)
        })
        .await
    }

    /// One run.
    ///
    /// # Errors
    /// [`Error::NoSuchRun`], [`Error::Unavailable`].
    pub async fn run(&self, run: RunId) -> Result<RunView, Error> {
        self.read(async |tx| {
            let row = tx.fetch_one::<RunColumns>(&sql::RUN, values![run]).await?;
            row.ok_or(Error::NoSuchRun(run))?.show()
        })
        .await
    }

    /// Events in the order of writing, a page of at most `limit`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn events(&self, filter: &EventFilter) -> Result<Vec<Event>, Error> {
        self.read(async |tx| {
            let mut asked = values![
                filter.after.0,
                filter.limit,
                filter.kind.map(EventKind::name)
            ];
            let rows = match (filter.task, filter.batch) {
                (Some(task), _) => {
                    asked.extend(values![task]);
                    tx.fetch(&sql::EVENTS_OF_TASK, asked).await?
                }
                (None, Some(batch)) => {
                    asked.extend(values![batch]);
                    tx.fetch(&sql::EVENTS_OF_BATCH, asked).await?
                }
                (None, None) => tx.fetch(&sql::EVENTS, asked).await?,
            };
            show_all::<EventColumns>(rows)
        })
        .await
    }

    /// The newest event's id, to begin following from.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn newest_event(&self) -> Result<EventId, Error> {
        self.read(async |tx| Ok(EventId(tx.number(&sql::NEWEST_EVENT, Vec::new()).await?)))
            .await
    }

    /// What a worker is told at its start (`TENURE_CONTEXT`).
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn context(&self, task: TaskId, run: RunId) -> Result<Context, Error> {
        self.read(async |tx| {
            let row = one_task(tx, task).await?;
            let parents = tx.fetch(&sql::PARENT_RESULTS, values![task]).await?;
            let newest = values![task, run, Context::ATTEMPTS];
            let mut attempts = tx.fetch(&sql::EARLIER_ATTEMPTS, newest).await?;
            attempts.reverse();
            Ok(Context {
                version: Context::VERSION,
                task: row,
                parents: show_all::<ParentColumns>(parents)?,
                attempts: show_all::<AttemptColumns>(attempts)?,
                comments: comments(tx, task).await?,
            })
        })
        .await
    }
}

async fn detail(tx: &mut Transaction, task: TaskId) -> Result<Detail, Error> {
    let row = one_task(tx, task).await?;
    let runs = tx.fetch(&sql::RUNS_OF_TASK, values![task]).await?;
    let newest = values![task, Detail::EVENTS];
    let mut events = tx.fetch(&sql::NEWEST_EVENTS_OF_TASK, newest).await?;
    events.reverse();
    let parents = tx.fetch(&sql::PARENTS, values![task]).await?;
    let children = tx.fetch(&sql::CHILDREN, values![task]).await?;
    Ok(Detail {
        task: row,
        runs: show_all::<RunColumns>(runs)?,
        events: show_all::<EventColumns>(events)?,
        parents: show_all::<RelatedColumns>(parents)?,
        children: show_all::<RelatedColumns>(children)?,
        comments: comments(tx, task).await?,
    })
}

pub(crate) async fn one_task(tx: &mut Transaction, task: TaskId) -> Result<TaskRow, Error> {
    let row = tx.fetch_one::<TaskColumns>(&sql::TASK, values![task]);
    row.await?.ok_or(Error::NoSuchTask(task))?.show()
}

/// The newest remarks, oldest first.
async fn comments(tx: &mut Transaction, task: TaskId) -> Result<Vec<CommentView>, Error> {
    let newest = values![task, Context::COMMENTS];
    let mut rows = tx.fetch(&sql::COMMENTS_OF_TASK, newest).await?;
    rows.reverse();
    show_all::<CommentColumns>(rows)
}

/// Asks each status by an index that begins with it, and merges: what a page costs does not grow
/// with the number of tasks.
async fn page(tx: &mut Transaction, filter: &TaskFilter) -> Result<Page<TaskRow>, Error> {
    let wanted = TaskStatus::ALL
        .iter()
        .copied()
        .filter(|status| match filter.status {
            Some(only) => *status == only,
            None => filter.all || !status.is_finished(),
        });
    let limit = filter.limit.map_or(i64::MAX, i64::from);
    let put_away = i64::from(filter.shows_archived());
    let mut rows = Vec::new();
    let mut total = Counted::default();
    for status in wanted {
        let found: Vec<TaskColumns> = match (filter.batch, filter.assignee.as_deref()) {
            (Some(batch), assignee) => {
                let asked = values![status, assignee, limit, batch];
                tx.fetch(&sql::LIST_OF_BATCH, asked).await?
            }
            (None, Some(assignee)) => {
                let asked = values![status, limit, assignee, put_away];
                tx.fetch(&sql::LIST_OF_ASSIGNEE, asked).await?
            }
            (None, None) => {
                tx.fetch(&sql::LIST, values![status, limit, put_away])
                    .await?
            }
        };
        let counted = match filter.limit {
            None => Counted {
                number: u64::try_from(found.len()).unwrap_or(u64::MAX),
                at_least: false,
            },
            Some(_) => count(tx, filter, status).await?,
        };
        total.number += counted.number;
        total.at_least |= counted.at_least;
        rows.extend(show_all(found)?);
    }
    rows.sort_by_key(|row| row.id);
    if let Some(limit) = filter.limit {
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let shown = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(Page {
        more: Counted {
            number: total.number.saturating_sub(shown),
            ..total
        },
        rows,
    })
}

/// How far tasks of one status are counted: whoever pages through more does not ask how many.
const COUNTED: u32 = 10_000;

async fn count(
    tx: &mut Transaction,
    filter: &TaskFilter,
    status: TaskStatus,
) -> Result<Counted, Error> {
    let bound = COUNTED + 1;
    let number = match (filter.batch, filter.assignee.as_deref()) {
        (Some(batch), assignee) => {
            let asked = values![status, assignee, bound, batch];
            tx.number(&sql::COUNT_OF_BATCH, asked).await?
        }
        (None, Some(assignee)) => {
            let put_away = i64::from(filter.shows_archived());
            let asked = values![status, bound, assignee, put_away];
            tx.number(&sql::COUNT_OF_ASSIGNEE, asked).await?
        }
        // Of the others those that were put away are finished, and only asked for together with them.
        (None, None) if status == TaskStatus::Blocked && !filter.shows_archived() => {
            tx.number(&sql::COUNT_BLOCKED, values![bound]).await?
        }
        (None, None) => tx.number(&sql::COUNT, values![status, bound]).await?,
    };
    Ok(Counted::up_to(COUNTED, number))
}
