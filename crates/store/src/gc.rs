//! gc: what is old and needed by nothing any more is cleared away from the store, a bounded piece at a
//! time, so that nobody waits for it and a broken-off one has done what it did. Nothing of an unfinished
//! task is touched. Files are the caller's: it clears them first, so that none is left without a row
//! that says whose it was. Events that hooks have yet to be told of stay, and so do their tasks.
//!
//! A task with an idempotency key stays for ever, since its key is a promise for ever; what it needs of
//! room is its row.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use crate::connection::Number;
use crate::error::Error;
use crate::event::EventKind;
use crate::hook::Untold;
use crate::life::TaskStatus;
use crate::open::Store;
use crate::sql;
use crate::transaction::{DAY_MS, Transaction};
use crate::value::{Value, values};
use crate::writer::Write;

/// How many events are looked at in one transaction: a few milliseconds' worth.
const EVENTS_PAGE: u32 = 1000;

/// How many tasks are listed at once.
const TASKS_PAGE: u32 = 500;

/// Something of a kind, and how many bytes it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// How many bytes, as far as they are known.
    pub bytes: u64,
}

impl Amount {
    /// With another.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }
}

/// How far a walk over the events has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    after: i64,
}

/// How far a walk over the archived tasks has come, in the order in which they were archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskWalk {
    archived_at: i64,
    task: TaskId,
}

impl Default for TaskWalk {
    fn default() -> Self {
        Self {
            archived_at: i64::MIN,
            task: TaskId(0),
        }
    }
}

/// Some of the archived tasks that may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearable {
    /// Which.
    pub tasks: Vec<TaskId>,
    /// Where to go on; nothing where there are no more.
    pub next: Option<TaskWalk>,
}

/// A piece of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What may go of it, or went.
    pub amount: Amount,
    /// Where to go on; nothing where everything older was seen.
    pub next: Option<Walk>,
}

/// What may become of the folder of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunFolder {
    /// The run is open, too young, or of an unfinished task.
    Needed,
    /// It may go.
    Old,
    /// No run of the store has or had this id: it is another store's, or of a later state of this one.
    Unknown,
}

impl Store {
    /// Looks at the next events that are older than a time (milliseconds since 1970, the store's);
    /// those of finished tasks are removed, or only counted.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the same again goes on where this stopped.
    pub async fn clear_events(
        &self,
        walk: Walk,
        before: i64,
        dry_run: bool,
    ) -> Result<Piece, Error> {
        let page = Events { walk, before };
        if dry_run {
            let (piece, _) = self.read(async |tx| page.look(tx).await).await?;
            return Ok(piece);
        }
        self.write(page).await
    }

    /// The next archived tasks that may go, those first that were archived first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn clearable_tasks(&self, walk: TaskWalk, before: i64) -> Result<Clearable, Error> {
        let find = async |tx: &mut Transaction| {
            let untold = Untold::now(tx).await?;
            let asked = values![
                before,
                TASKS_PAGE,
                walk.archived_at,
                walk.task,
                untold.after,
                untold.since,
            ];
            tx.fetch(&sql::GC_TASKS, asked).await
        };
        let rows: Vec<Archived> = self.read(find).await?;
        Ok(Clearable {
            next: rows.last().map(|last| TaskWalk {
                archived_at: last.archived_at,
                task: TaskId(last.id),
            }),
            tasks: rows.iter().map(|row| TaskId(row.id)).collect(),
        })
    }

    /// The events of a task that are not older than a time (milliseconds since 1970, the store's): what
    /// goes with the task where older ones are cleared away, or counted, before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn events_with_task(&self, task: TaskId, since: i64) -> Result<Amount, Error> {
        self.read(async |tx| events_of(tx, task, since).await).await
    }

    /// The runs of a task, whose folders go before it does.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn runs_to_clear(&self, task: TaskId) -> Result<Vec<RunId>, Error> {
        let rows: Vec<Number> = self
            .read(async |tx| tx.fetch(&sql::GC_RUNS_OF_TASK, values![task]).await)
            .await?;
        Ok(rows.iter().map(|row| RunId(row.number)).collect())
    }

    /// Removes an archived task with its runs, links, remarks and events; answers how many events.
    ///
    /// # Errors
    /// [`Error::Refused`] where it is not one that may go any more; nothing was removed.
    pub async fn clear_task(&self, task: TaskId, before: i64) -> Result<Amount, Error> {
        self.write(Task { task, before }).await
    }

    /// What may become of the folders of these runs.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn judge_run_folders(
        &self,
        runs: &[RunId],
        before: i64,
    ) -> Result<Vec<RunFolder>, Error> {
        self.read(async |tx| {
            let newest = tx.number(&sql::NEWEST_RUN, Vec::new()).await?;
            let mut judged = Vec::with_capacity(runs.len());
            for run in runs {
                let row = tx.fetch_one::<OldRun>(&sql::GC_RUN, values![*run]).await?;
                judged.push(judge(row, run.0 < newest, before)?);
            }
            Ok(judged)
        })
        .await
    }

    /// Removes, or only counts, dispatchers that signed off long ago, or that a day ago or longer gave
    /// their last sign of life and were not heard of since.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn clear_dispatchers(&self, before: i64, dry_run: bool) -> Result<Amount, Error> {
        let count = if dry_run {
            let count = async |tx: &mut Transaction| {
                let ages = dispatcher_ages(tx, before).await?;
                tx.number(&sql::GC_DISPATCHERS, ages).await
            };
            self.read(count).await?.unsigned_abs()
        } else {
            self.write(Dispatchers { before }).await?
        };
        Ok(Amount { count, bytes: 0 })
    }

    /// Writes down what was cleared away, by whom.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn note_cleared(&self, by: String, what: serde_json::Value) -> Result<(), Error> {
        self.write(Noted { by, what }).await
    }
}

#[derive(FromRow)]
struct Archived {
    id: i64,
    archived_at: i64,
}

#[derive(FromRow)]
struct OldRun {
    ended_at: Option<i64>,
    status: String,
}

/// A run that is not there, but has an id below the newest, was cleared away with its task.
fn judge(row: Option<OldRun>, is_below_newest: bool, before: i64) -> Result<RunFolder, Error> {
    let Some(row) = row else {
        return Ok(if is_below_newest {
            RunFolder::Old
        } else {
            RunFolder::Unknown
        });
    };
    let status: TaskStatus = row.status.parse()?;
    let is_old = row.ended_at.is_some_and(|at| at < before);
    Ok(if is_old && status.is_finished() {
        RunFolder::Old
    } else {
        RunFolder::Needed
    })
}

#[derive(FromRow)]
struct PageEnd {
    last: Option<i64>,
    newest: Option<i64>,
}

#[derive(FromRow)]
struct Held {
    rows: i64,
    bytes: i64,
}

impl From<Held> for Amount {
    fn from(held: Held) -> Self {
        Self {
            count: held.rows.unsigned_abs(),
            bytes: held.bytes.unsigned_abs(),
        }
    }
}

async fn events_of(tx: &mut Transaction, task: TaskId, since: i64) -> Result<Amount, Error> {
    let asked = values![task, since];
    let held = tx.fetch_one::<Held>(&sql::GC_EVENTS_OF_TASK, asked);
    Ok(held.await?.map(Amount::from).unwrap_or_default())
}

struct Events {
    walk: Walk,
    before: i64,
}

impl Events {
    /// What may go of the page, and up to which event it reaches.
    async fn look(&self, tx: &mut Transaction) -> Result<(Piece, i64), Error> {
        let Self { walk, before } = *self;
        let page = values![walk.after, EVENTS_PAGE];
        let end = tx
            .fetch_one::<PageEnd>(&sql::GC_EVENTS_PAGE, page)
            .await?
            .and_then(|end| end.last.zip(end.newest));
        let Some((last, newest)) = end else {
            let nothing = Piece {
                amount: Amount::default(),
                next: None,
            };
            return Ok((nothing, walk.after));
        };
        let page = self.page(tx, last).await?;
        let held = tx.fetch_one::<Held>(&sql::GC_EVENTS, page);
        let amount = held.await?.map(Amount::from).unwrap_or_default();
        let piece = Piece {
            amount,
            // Events come in the order of time, or nearly: what follows is younger.
            next: (newest < before).then_some(Walk { after: last }),
        };
        Ok((piece, last))
    }

    /// What may go up to an event.
    async fn page(&self, tx: &mut Transaction, last: i64) -> Result<Vec<Value>, Error> {
        let Untold { after, since } = Untold::now(tx).await?;
        Ok(values![self.walk.after, last, self.before, after, since])
    }
}

impl Write for Events {
    type Answer = Piece;

    async fn apply(&self, tx: &mut Transaction) -> Result<Piece, Error> {
        let (piece, last) = self.look(tx).await?;
        if piece.amount.count > 0 {
            let page = self.page(tx, last).await?;
            tx.execute(&sql::CLEAR_EVENTS, page).await?;
        }
        Ok(piece)
    }
}

struct Task {
    task: TaskId,
    before: i64,
}

impl Write for Task {
    type Answer = Amount;

    async fn apply(&self, tx: &mut Transaction) -> Result<Amount, Error> {
        let Untold { after, since } = Untold::now(tx).await?;
        let events = events_of(tx, self.task, i64::MIN).await?;
        tx.execute(&sql::CLEAR_TASK_EVENTS, values![self.task, after, since])
            .await?;
        self.clear_links(tx).await?;
        for statement in [&sql::CLEAR_COMMENTS, &sql::CLEAR_RUNS] {
            tx.execute(statement, values![self.task]).await?;
        }
        let task = values![self.task, self.before];
        if tx.execute(&sql::CLEAR_TASK, task).await? == 0 {
            return Err(Error::Refused {
                task: self.task,
                why: "it is not archived and finished any more, or hooks have yet to be told of it"
                    .into(),
            });
        }
        Ok(events)
    }
}

impl Task {
    /// Removes its links; what is over and waited for it waits for one less.
    async fn clear_links(&self, tx: &mut Transaction) -> Result<(), Error> {
        let parents = serde_json::to_string(&[self.task])?;
        let waiting: Vec<Number> = tx.fetch(&sql::HOLD_CHILDREN, values![parents]).await?;
        for statement in [&sql::CLEAR_PARENTS, &sql::CLEAR_CHILDREN] {
            tx.execute(statement, values![self.task]).await?;
        }
        for Number { number } in waiting {
            tx.execute(&sql::COUNT_LINKS, values![number]).await?;
        }
        Ok(())
    }
}

struct Dispatchers {
    before: i64,
}

impl Write for Dispatchers {
    type Answer = u64;

    async fn apply(&self, tx: &mut Transaction) -> Result<u64, Error> {
        let ages = dispatcher_ages(tx, self.before).await?;
        tx.execute(&sql::CLEAR_DISPATCHERS, ages).await
    }
}

/// Before when a dispatcher that goes signed off, and before when one that did not was last seen. In a
/// file one that lives gives no signs of life, and whoever comes next signs all others off.
async fn dispatcher_ages(tx: &mut Transaction, before: i64) -> Result<Vec<Value>, Error> {
    let unseen = if tx.is_shared() {
        before.min(tx.now().await? - DAY_MS)
    } else {
        0
    };
    Ok(values![before, unseen])
}

struct Noted {
    by: String,
    what: serde_json::Value,
}

impl Write for Noted {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let payload = json!({ "by": self.by, "cleared": self.what });
        tx.event(None, None, EventKind::Cleared, &payload);
        Ok(())
    }
}
