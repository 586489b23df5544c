//! Which dispatchers live, and who was there before: by their signs of life, by the lock of a file, and by
//! what is proved of their processes.

use std::sync::Arc;
use std::time::Duration;

use sqlx::FromRow;

use super::{Dispatcher, dispatcher_id, is_held};
use crate::clock::{millis, timestamp};
use crate::error::Error;
use crate::ids::{BatchId, DispatcherId};
use crate::moved::small;
use crate::open::Store;
use crate::process::ProcessId;
use crate::sql;
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::value::values;

/// How long a dispatcher of a shared store counts as living after it was last seen.
pub(crate) const LIVING: Duration = Duration::from_secs(30);

/// A dispatcher gives a sign of life every 14 s: after this long one has failed to come.
const LATE: Duration = Duration::from_secs(20);

impl Store {
    /// Dispatchers that were seen within the last half minute, did not retire, and are not proved dead
    /// ([`Store::count_out`]). On SQLite the lock decides, so a killed one is not listed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn living_dispatchers(&self) -> Result<Vec<Dispatcher>, Error> {
        let who = self.who_may_live();
        let living = self.read(async |tx| living(tx, &who).await).await?;
        Ok(living.into_iter().map(|one| one.dispatcher).collect())
    }

    /// Who may live as far as that is no matter of the database: on SQLite one that is killed has lost
    /// its lock.
    pub(crate) fn who_may_live(&self) -> WhoMayLive {
        let is_any = match self.url() {
            StoreUrl::Sqlite(path) => is_held(path),
            StoreUrl::Postgres(_) => true,
        };
        WhoMayLive {
            is_any,
            is_dead: self.proof_of_death(),
        }
    }

    /// Dispatchers that did not retire and were seen after a time.
    pub(super) async fn published(&self, after: i64) -> Result<Vec<Dispatcher>, Error> {
        let rows = self.read(async |tx| published(tx, after).await).await?;
        rows.into_iter().map(Published::read).collect()
    }
}

/// Proves that a process is dead; what cannot be looked at from here is not.
pub(crate) type IsDead = dyn Fn(&ProcessId) -> bool + Send + Sync;

/// Who may live, as far as that is no matter of the database.
pub(crate) struct WhoMayLive {
    is_any: bool,
    is_dead: Option<Arc<IsDead>>,
}

impl WhoMayLive {
    /// Whoever gave a sign of life lately, where anybody may.
    pub(crate) fn by_signs(is_any: bool) -> Self {
        Self {
            is_any,
            is_dead: None,
        }
    }

    /// Whether a dispatcher that did not sign off is proved dead.
    pub(crate) fn is_proved_dead(&self, process: &ProcessId) -> bool {
        !self.is_any || self.is_dead(process)
    }

    fn is_dead(&self, process: &ProcessId) -> bool {
        let proof = self.is_dead.as_ref();
        proof.is_some_and(|is_dead| is_dead(process))
    }
}

/// A dispatcher that lives.
pub(crate) struct Living {
    pub(crate) dispatcher: Dispatcher,
    /// Since when it gives no sign of life, where that is too long.
    pub(crate) quiet_since: Option<jiff::Timestamp>,
    /// When it gave its last sign of life; on SQLite its lock says that it lives.
    pub(crate) seen_at: Option<jiff::Timestamp>,
    pub(crate) started_at: jiff::Timestamp,
}

/// The dispatchers that live, where any may.
pub(crate) async fn living(tx: &mut Transaction, who: &WhoMayLive) -> Result<Vec<Living>, Error> {
    if !who.is_any {
        return Ok(Vec::new());
    }
    // The lock of a file gives no signs of life, and needs none.
    let (after, late) = if tx.is_shared() {
        let now = tx.now().await?;
        let ago = |time| now.saturating_sub(millis(time));
        (ago(LIVING), ago(LATE))
    } else {
        (0, 0)
    };
    let is_shared = tx.is_shared();
    let mut living = Vec::new();
    for row in published(tx, after).await? {
        let seen_at = timestamp(row.seen_at)?;
        let is_late = row.seen_at < late;
        let started_at = timestamp(row.started_at)?;
        let dispatcher = row.read()?;
        if who.is_dead(&dispatcher.process) {
            continue;
        }
        living.push(Living {
            quiet_since: is_late.then_some(seen_at),
            seen_at: is_shared.then_some(seen_at),
            started_at,
            dispatcher,
        });
    }
    Ok(living)
}

async fn published(tx: &mut Transaction, after: i64) -> Result<Vec<Published>, Error> {
    tx.fetch(&sql::LIVING, values![after]).await
}

/// A dispatcher that was published once, living or not, and its last sign of life, where it gives any.
pub(crate) async fn known(
    tx: &mut Transaction,
    id: DispatcherId,
) -> Result<Option<(Dispatcher, Option<jiff::Timestamp>)>, Error> {
    let Some(row) = tx
        .fetch_one::<Published>(&sql::DISPATCHER, values![id])
        .await?
    else {
        return Ok(None);
    };
    let seen_at = timestamp(row.seen_at)?;
    Ok(Some((row.read()?, tx.is_shared().then_some(seen_at))))
}

/// A dispatcher that was there once, and the times of its life.
pub(crate) struct Past {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) started_at: jiff::Timestamp,
    /// When it gave its last sign of life; on SQLite when it was published last, or signed off.
    pub(crate) seen_at: jiff::Timestamp,
    /// When it signed off, or when that was done for it.
    pub(crate) retired_at: Option<jiff::Timestamp>,
}

/// The dispatcher that was there last, living or not.
pub(crate) async fn last(tx: &mut Transaction) -> Result<Option<Past>, Error> {
    let found: Option<PastRow> = tx.fetch_one(&sql::LAST_DISPATCHER, Vec::new()).await?;
    let Some(PastRow {
        published,
        retired_at,
    }) = found
    else {
        return Ok(None);
    };
    Ok(Some(Past {
        started_at: timestamp(published.started_at)?,
        seen_at: timestamp(published.seen_at)?,
        retired_at: retired_at.map(timestamp).transpose()?,
        dispatcher: published.read()?,
    }))
}

#[derive(FromRow)]
struct PastRow {
    #[sqlx(flatten)]
    published: Published,
    retired_at: Option<i64>,
}

#[derive(FromRow)]
struct Published {
    id: String,
    host_id: String,
    host_name: String,
    boot_id: String,
    pid: i64,
    socket: String,
    version: String,
    schema_version: i64,
    slots: i64,
    profiles: String,
    batch_id: Option<i64>,
    pid_namespace: i64,
    start_ticks: i64,
    inode: i64,
    drain_at: Option<i64>,
    held: String,
    labels: String,
    seen_at: i64,
    started_at: i64,
}

impl Published {
    fn read(self) -> Result<Dispatcher, Error> {
        let unreadable = |what: String| Error::Unreadable(format!("dispatcher {what}"));
        Ok(Dispatcher {
            id: dispatcher_id(&self.id)?,
            process: ProcessId {
                host_id: self.host_id,
                boot_id: self.boot_id,
                pid_namespace: self.pid_namespace.cast_unsigned(),
                pid: i32::try_from(self.pid)
                    .map_err(|_| unreadable(format!("pid {}", self.pid)))?,
                start_ticks: self.start_ticks.cast_unsigned(),
                inode: self.inode.cast_unsigned(),
            },
            host_name: self.host_name,
            socket: self.socket.into(),
            version: self.version,
            knows: self.schema_version,
            slots: small(self.slots)?,
            profiles: serde_json::from_str(&self.profiles)?,
            batch: self.batch_id.map(BatchId),
            drain_at: self.drain_at.map(timestamp).transpose()?,
            held: serde_json::from_str(&self.held)?,
            labels: serde_json::from_str(&self.labels)?,
        })
    }
}
