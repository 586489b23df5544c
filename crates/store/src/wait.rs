//! wait: a task that waits for another one because its worker said so. Whether it may is asked when
//! the worker says it, and again when the run closes; what follows is for [`crate::life`] to say.
//!
//! **Invariant:** nothing waits for itself, directly or through others. New tasks cannot close a circle,
//! since nobody waits for them yet; whoever links a task that is there already looks for one first, and
//! has its [`turn`](take_turn) from that look to the commit.

use sqlx::FromRow;
use tenure_guard::TaskId;

use crate::connection::Number;
use crate::error::Error;
use crate::life::{Awaited, LinkKind, TaskStatus};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// So many tasks are looked at for a circle; who waits for more of them is not let wait for one more.
const LOOKED_AT: i64 = 10_000;

#[derive(FromRow)]
struct Standing {
    status: String,
}

/// What a task waits for, directly and through others.
#[derive(FromRow)]
struct Above {
    seen: i64,
    found: i64,
}

/// One at a time looks whether a wait would close a circle, and adds it: two that add each a half of one
/// do not see each other's. Rows are held before this and none after it, so that who has the turn waits
/// for nobody.
pub(crate) async fn take_turn(tx: &mut Transaction) -> Result<(), Error> {
    tx.number(&sql::LOCK_WAITS, Vec::new()).await?;
    Ok(())
}

/// Those of a series that wait for one of its tasks, directly or through others. Of more than
/// 10,000 that wait only so many are looked at.
pub(crate) async fn waiting_in_series(
    tx: &mut Transaction,
    series: i64,
    task: TaskId,
) -> Result<Vec<TaskId>, Error> {
    let asked = values![series, task, LOOKED_AT];
    let rows: Vec<Number> = tx.fetch(&sql::WAITING_IN_SERIES, asked).await?;
    Ok(rows.iter().map(|row| TaskId(row.number)).collect())
}

/// How a task stands for which another one is to wait; held until the transaction is over.
pub(crate) async fn awaited(
    tx: &mut Transaction,
    task: TaskId,
    after: TaskId,
) -> Result<Awaited, Error> {
    let found = tx.fetch_one::<Standing>(&sql::PARENT_STANDINGS, values![format!("[{after}]")]);
    let Some(Standing { status }) = found.await? else {
        return Ok(Awaited::Gone);
    };
    if task != after && status.parse::<TaskStatus>()? == TaskStatus::Done {
        return Ok(Awaited::Done);
    }
    take_turn(tx).await?;
    let asked = values![after, task, LOOKED_AT];
    let above = tx.fetch_one::<Above>(&sql::WAITS_FOR, asked).await?;
    Ok(match above {
        Some(Above { seen, found: 0 }) if seen < LOOKED_AT => Awaited::Open,
        Some(_) | None => Awaited::Circle,
    })
}

/// Refuses what a worker cannot wait for.
///
/// # Errors
/// [`Error::Refused`] with the reason and the way out.
pub(crate) async fn may_wait(
    tx: &mut Transaction,
    task: TaskId,
    after: TaskId,
) -> Result<(), Error> {
    let why = match awaited(tx, task, after).await? {
        Awaited::Open | Awaited::Done => return Ok(()),
        Awaited::Gone => {
            format!("it cannot wait for task {after}, which does not exist: name another one")
        }
        Awaited::Circle if task == after => "it cannot wait for itself: name another task".into(),
        Awaited::Circle => format!(
            "it cannot wait for task {after}, which waits for it, directly or through others: neither would ever go on"
        ),
    };
    Err(Error::Refused { task, why })
}

/// Links a task behind another one; answers how many it waits for now.
pub(crate) async fn link_behind(
    tx: &mut Transaction,
    task: TaskId,
    parent: TaskId,
) -> Result<i64, Error> {
    let link = values![parent, task, LinkKind::Success];
    tx.execute(&sql::LINK_BEHIND, link).await?;
    unmet_links(tx, task).await
}

/// How many parents a task waits for, by its links; whoever holds the task can rely on it.
pub(crate) async fn unmet_links(tx: &mut Transaction, task: TaskId) -> Result<i64, Error> {
    tx.number(&sql::UNMET_LINKS, values![task]).await
}
