//! recur: what becomes of a recurring task whose time has come, written down. What follows is decided
//! by [`Recurrence::turn`].
//!
//! A series is a chain: each of its tasks adds the next one when it begins, so that there is always
//! one that waits for its time, and whoever cancels or pauses that one holds the series.
//!
//! **Invariant:** a recurring task that has not begun rests as `scheduled`, also when its time is over,
//! and begins by [`turn`] or [`begin_by_hand`] only; so it has a successor from then on, and but one.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::TaskId;

use crate::clock::timestamp;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::recurrence::WAITING;
use crate::life::{LinkKind, Moment, Recurrence, TaskStatus, Turn};
use crate::person::{Granted, Wish, wish_of_tenure};
use crate::promote::{Due, after_due};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// What became of a recurring task whose time has come; and whether runs were asked to end for it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turned {
    /// It may begin.
    Begins { asked: bool },
    /// It waits for others, or for another time; that is written already.
    Waits { asked: bool },
}

#[derive(FromRow)]
struct Earlier {
    id: i64,
}

/// Decides what becomes of a recurring task that has not begun, and writes all of it but its
/// beginning.
pub(crate) async fn turn(
    tx: &mut Transaction,
    due: &Due,
    recurrence: &Recurrence,
) -> Result<Turned, Error> {
    let now = tx.now().await?;
    let most = i64::try_from(WAITING).unwrap_or(i64::MAX);
    let series = due.series_id.unwrap_or(due.id);
    let found = tx.fetch(&sql::GOING_ON, values![series, due.id, most]);
    let earlier: Vec<Earlier> = found.await?;
    let task = TaskId(due.id);
    let turn = recurrence.turn(Moment {
        now: timestamp(now)?,
        due: timestamp(due.not_before)?,
        added: timestamp(due.created_at)?,
        going_on: earlier.len(),
    });
    match turn {
        Turn::Begin { next } => {
            add_successor(tx, task, next).await?;
            Ok(Turned::Begins { asked: false })
        }
        Turn::Queue { next } => {
            add_successor(tx, task, next).await?;
            // Those before it wait for each other already.
            let newest = earlier.first().map(|earlier| TaskId(earlier.id));
            wait_behind(tx, task, newest.as_slice()).await?;
            Ok(Turned::Waits { asked: false })
        }
        Turn::Replace { next } => {
            add_successor(tx, task, next).await?;
            replace(tx, task, &earlier).await
        }
        Turn::Pass { until, because } => {
            let next = values![task, until.as_millisecond(), now];
            tx.execute(&sql::PASS, next).await?;
            let payload = json!({
                "due": timestamp(due.not_before)?,
                "until": until,
                "because": because,
                "earlier": earlier.first().map(|earlier| earlier.id),
            });
            tx.event(task, None, EventKind::Skipped, &payload);
            Ok(Turned::Waits { asked: false })
        }
    }
}

/// Whether a task that a person takes out of its series was that of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItsTime {
    /// No: the schedule keeps that time, for the successor.
    Kept,
    /// Yes: the successor has the time after it.
    Taken,
}

/// Adds the successor of a recurring task that a person lets begin, or end, before its time. For any
/// other task it does nothing. It must be called before the task's time is taken away.
pub(crate) async fn begin_by_hand(
    tx: &mut Transaction,
    task: TaskId,
    its_time: ItsTime,
) -> Result<(), Error> {
    let now = timestamp(tx.now().await?)?;
    let Some(due) = tx.fetch_one::<Due>(&sql::UNBEGUN, values![task]).await? else {
        return Ok(());
    };
    let recurrence: Option<Recurrence> = due
        .recurrence
        .as_deref()
        .map(serde_json::from_str)
        .transpose()?;
    let time = timestamp(due.not_before)?;
    let next = match recurrence {
        Some(_) if its_time == ItsTime::Kept && time > now => Some(time),
        Some(recurrence) => recurrence.times.next(time, now),
        None => None,
    };
    add_successor(tx, task, next).await
}

async fn add_successor(
    tx: &mut Transaction,
    task: TaskId,
    next: Option<jiff::Timestamp>,
) -> Result<(), Error> {
    let Some(next) = next else {
        return Ok(());
    };
    let now = tx.now().await?;
    let status = TaskStatus::Scheduled;
    let successor = values![task, status, next.as_millisecond(), now];
    let id = TaskId(tx.number(&sql::ADD_SUCCESSOR, successor).await?);
    let payload = json!({ "follows": task, "not_before": next, "status": status });
    tx.event(id, None, EventKind::Added, &payload);
    Ok(())
}

/// Cancels the earlier ones, and lets the task wait for those that have yet to end.
async fn replace(tx: &mut Transaction, task: TaskId, earlier: &[Earlier]) -> Result<Turned, Error> {
    let mut ending = Vec::new();
    for earlier in earlier {
        let id = TaskId(earlier.id);
        let reason = format!("task {task} of the same series replaces it");
        match wish_of_tenure(tx, id, Wish::Cancel, reason).await {
            Ok(Granted::Moved(_) | Granted::Already(_)) => {}
            // What reported already is ending by itself.
            Ok(Granted::Asked { .. }) | Err(Error::Refused { .. }) => ending.push(id),
            Err(error) => return Err(error),
        }
    }
    if ending.is_empty() {
        return Ok(Turned::Begins { asked: false });
    }
    wait_behind(tx, task, &ending).await?;
    Ok(Turned::Waits { asked: true })
}

async fn wait_behind(tx: &mut Transaction, task: TaskId, earlier: &[TaskId]) -> Result<(), Error> {
    let now = tx.now().await?;
    for parent in earlier {
        let never: Option<i64> = None;
        let link = values![*parent, task, LinkKind::AnyEnd, never];
        tx.execute(&sql::ADD_LINK, link).await?;
    }
    let status = after_due(task, !earlier.is_empty())?;
    let pending = i64::try_from(earlier.len()).unwrap_or(i64::MAX);
    let place = values![task, status, pending, now];
    tx.execute(&sql::WAIT_BEHIND, place).await?;
    let payload = json!({ "status": status, "behind": earlier });
    tx.event(task, None, EventKind::Due, &payload);
    Ok(())
}
