//! promote: scheduled tasks whose time has come become ready. Children are promoted by the end of
//! their last parent, in [`crate::end`].

use std::time::Duration;

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::TaskId;

use crate::error::Error;
use crate::event::EventKind;
use crate::life::{Move, Rest, TaskStatus};
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// The most that become ready in one transaction, so that a great many that are due at once do not
/// keep others from writing; the next are due at once.
const AT_ONCE: u32 = 256;

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
        Ok((make_due_ready(tx).await?, next_due(tx).await?))
    }
}

#[derive(FromRow)]
struct Due {
    id: i64,
    pending_parents: i64,
}

/// Makes due tasks ready; answers how many.
pub(crate) async fn make_due_ready(tx: &mut Transaction) -> Result<u32, Error> {
    let now = tx.now().await?;
    let due: Vec<Due> = tx.fetch(&sql::DUE, values![now, AT_ONCE]).await?;
    let mut count = 0;
    for Due {
        id,
        pending_parents,
    } in due
    {
        let task = TaskId(id);
        let rest = Rest {
            waits_for_parents: pending_parents > 0,
            waits_for_time: false,
        };
        let status = TaskStatus::Scheduled
            .after(Move::Due, rest)
            .map_err(|source| Error::Illegal { task, source })?;
        tx.execute(&sql::MAKE_READY, values![task, status, now])
            .await?;
        tx.event(task, None, EventKind::Due, &json!({ "status": status }));
        count += 1;
    }
    Ok(count)
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
