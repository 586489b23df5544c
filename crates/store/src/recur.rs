//! recur: what becomes of a recurring task whose time has come, written down. What follows is decided
//! by [`Recurrence::turn`].
//!
//! A series is a chain: each of its tasks adds the next one when it begins, so that there is always
//! one that waits for its time, and whoever cancels or pauses that one holds the series.
//!
//! An earlier one whose worker said that it waits for this very task, or for something that waits for
//! it, does not go on before this one has: it is neither waited for nor replaced, and no time passes
//! for it. So it cannot stall its series.
//!
//! **Invariant:** a recurring task that has not begun rests as `scheduled`, also when its time is over,
//! and begins by [`turn`] or [`begin_by_hand`] only; so it has a successor from then on, and but one.

use serde_json::json;
use tenure_guard::TaskId;

use crate::clock::timestamp;
use crate::connection::Number;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::recurrence::WAITING;
use crate::life::{LinkKind, Moment, Recurrence, TaskStatus, Turn};
use crate::person::{Granted, Wish, wish_of_tenure};
use crate::promote::{Due, after_due};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::{take_turn, waiting_in_series};

/// What became of a recurring task whose time has come; and whether runs were asked to end for it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turned {
    /// It may begin.
    Begins { asked: bool },
    /// It waits for others, or for another time; that is written already.
    Waits { asked: bool },
}

/// Decides what becomes of a recurring task that has not begun, and writes all of it but its
/// beginning.
pub(crate) async fn turn(
    tx: &mut Transaction,
    due: &Due,
    recurrence: &Recurrence,
) -> Result<Turned, Error> {
    let now = tx.now().await?;
    let task = TaskId(due.id);
    let series = due.series_id.unwrap_or(due.id);
    let earlier = going_on(tx, series, task).await?;
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
            let last = last_of(tx, series, &earlier).await?;
            wait_behind(tx, task, &last).await?;
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
                "earlier": earlier.first(),
            });
            tx.event(task, None, EventKind::Skipped, &payload);
            Ok(Turned::Waits { asked: false })
        }
    }
}

/// The earlier ones of a series that are going on, newest first, without those that wait for this very
/// task.
async fn going_on(tx: &mut Transaction, series: i64, task: TaskId) -> Result<Vec<TaskId>, Error> {
    let most = i64::try_from(WAITING).unwrap_or(i64::MAX);
    let found = tx.fetch(&sql::GOING_ON, values![series, task, most]);
    let found: Vec<Number> = found.await?;
    let mut earlier: Vec<TaskId> = found.iter().map(|row| TaskId(row.number)).collect();
    if !earlier.is_empty() {
        take_turn(tx).await?;
        let waiting = waiting_in_series(tx, series, task).await?;
        earlier.retain(|earlier| !waiting.contains(earlier));
    }
    Ok(earlier)
}

/// Those behind whom the next one of a series queues up: the newest, since those before that wait for each
/// other already, but for any that waits for the newest.
async fn last_of(
    tx: &mut Transaction,
    series: i64,
    earlier: &[TaskId],
) -> Result<Vec<TaskId>, Error> {
    let Some(newest) = earlier.first() else {
        return Ok(Vec::new());
    };
    let mut last = vec![*newest];
    let after_it = waiting_in_series(tx, series, *newest).await?;
    last.extend(after_it.into_iter().filter(|id| earlier.contains(id)));
    Ok(last)
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
async fn replace(tx: &mut Transaction, task: TaskId, earlier: &[TaskId]) -> Result<Turned, Error> {
    let mut ending = Vec::new();
    for id in earlier.iter().copied() {
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
    let links: Vec<_> = earlier
        .iter()
        .map(|parent| json!([parent, task, LinkKind::AnyEnd.name(), null]))
        .collect();
    tx.execute(&sql::ADD_LINKS, values![json!(links).to_string()])
        .await?;
    let status = after_due(task, !earlier.is_empty())?;
    tx.execute(&sql::WAIT_BEHIND, values![task, status, now])
        .await?;
    let payload = json!({ "status": status, "behind": earlier });
    tx.event(task, None, EventKind::Due, &payload);
    Ok(())
}
