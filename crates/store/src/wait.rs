//! wait: a task that waits for another one because its worker said so. Whether it may is asked when
//! the worker says it, and again when the run closes; what follows is for [`crate::life`] to say.

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

/// How a task stands for which another one is to wait; held until the transaction is over.
pub(crate) async fn awaited(
    tx: &mut Transaction,
    task: TaskId,
    after: TaskId,
) -> Result<Awaited, Error> {
    let found = tx.fetch_one::<Standing>(&sql::PARENT, values![after]);
    let Some(Standing { status }) = found.await? else {
        return Ok(Awaited::Gone);
    };
    if task != after && status.parse::<TaskStatus>()? == TaskStatus::Done {
        return Ok(Awaited::Done);
    }
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
    let pending = tx.fetch_one::<Number>(&sql::UNMET_LINKS, values![task]);
    Ok(pending.await?.map_or(0, |row| row.number))
}
