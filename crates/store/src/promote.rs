//! promote: scheduled tasks whose time has come become ready. Children are promoted by the end of
//! their last parent, in [`crate::end`]; what becomes of recurring ones is for `recur.rs`.

use std::time::Duration;

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::TaskId;

use crate::error::Error;
use crate::event::EventKind;
use crate::life::{Move, Rest, TaskStatus};
use crate::open::Store;
use crate::recur::{Turned, turn};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// The most that become ready in one transaction, so that a great many that are due at once do not
/// keep others from writing; the next are due at once.
const AT_ONCE: u32 = 256;

/// So many others does a recurring task count for: its successor is added, and those before it are
/// looked at.
const RECURRING: u32 = 8;

impl Store {
    /// Makes due tasks ready; answers how many, and how long until the next one is due.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn promote_due(&self) -> Result<(u32, Option<Duration>), Error> {
        self.write(Promote).await
    }
}

struct Promote;

impl Write for Promote {
    type Answer = (u32, Option<Duration>);

    async fn apply(&self, tx: &mut Transaction) -> Result<Self::Answer, Error> {
        let promoted = make_due_ready(tx).await?;
        Ok((promoted.ready, next_due(tx).await?))
    }
}

/// A task whose time has come.
#[derive(Debug, FromRow)]
pub(crate) struct Due {
    pub(crate) id: i64,
    pub(crate) pending_parents: i64,
    pub(crate) not_before: i64,
    pub(crate) created_at: i64,
    pub(crate) series_id: Option<i64>,
    /// Of one that recurs and has not begun.
    pub(crate) recurrence: Option<String>,
}

/// What became of tasks whose time had come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Promoted {
    /// So many went on.
    pub(crate) ready: u32,
    /// Whether runs were asked to end, to make room for the next of their series.
    pub(crate) asked: bool,
    /// Whether one recurs in a way that only newer programs know: it is due, and stays so.
    pub(crate) left_alone: bool,
}

/// Makes due tasks ready.
pub(crate) async fn make_due_ready(tx: &mut Transaction) -> Result<Promoted, Error> {
    let now = tx.now().await?;
    let found: Vec<Due> = tx.fetch(&sql::DUE, values![now, AT_ONCE]).await?;
    let mut promoted = Promoted::default();
    let mut room = AT_ONCE;
    for due in found {
        if room == 0 {
            break;
        }
        let Some(recurrence) = &due.recurrence else {
            room -= 1;
            promoted.ready += make_ready(tx, &due).await?;
            continue;
        };
        let Ok(recurrence) = serde_json::from_str(recurrence) else {
            promoted.left_alone = true;
            continue;
        };
        room = room.saturating_sub(RECURRING);
        match turn(tx, &due, &recurrence).await? {
            Turned::Begins { asked } => {
                promoted.asked |= asked;
                promoted.ready += make_ready(tx, &due).await?;
            }
            Turned::Waits { asked } => promoted.asked |= asked,
        }
    }
    Ok(promoted)
}

/// Makes it ready, and answers 1; or 0 where a later one of its series replaced it in this very
/// transaction.
async fn make_ready(tx: &mut Transaction, due: &Due) -> Result<u32, Error> {
    let now = tx.now().await?;
    let task = TaskId(due.id);
    let status = after_due(task, due.pending_parents > 0)?;
    let moved = tx.execute(&sql::MAKE_READY, values![task, status, now]);
    if moved.await? == 0 {
        return Ok(0);
    }
    tx.event(task, None, EventKind::Due, &json!({ "status": status }));
    Ok(1)
}

/// Where a scheduled task goes when its time has come.
pub(crate) fn after_due(task: TaskId, waits_for_parents: bool) -> Result<TaskStatus, Error> {
    let rest = Rest {
        waits_for_parents,
        waits_for_time: false,
    };
    TaskStatus::Scheduled
        .after(Move::Due, rest)
        .map_err(|source| Error::Illegal { task, source })
}

#[derive(FromRow)]
struct Next {
    number: Option<i64>,
}

/// How long until the next scheduled task is due.
pub(crate) async fn next_due(tx: &mut Transaction) -> Result<Option<Duration>, Error> {
    let now = tx.now().await?;
    let next = tx.fetch_one::<Next>(&sql::NEXT_DUE, Vec::new()).await?;
    Ok(next.and_then(|row| row.number).map(|time| {
        let wait = u64::try_from(time.saturating_sub(now)).unwrap_or(0);
        Duration::from_millis(wait)
    }))
}
