//! dispatcher: which dispatchers there are, what they can run, where they listen.

mod hold;
mod living;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::timestamp;
use crate::error::Error;
use crate::held::Held;
use crate::ids::{BatchId, DispatcherId};
use crate::life::LimitsLayer;
use crate::open::Store;
use crate::process::ProcessId;
use crate::read::Stored;
use crate::sql;
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::value::values;
use crate::writer::Write;

pub use hold::Hold;
pub(crate) use hold::{is_held, take_lock};
pub(crate) use living::{IsDead, LIVING, Living, Past, WhoMayLive, known, last, living};

/// A profile as a dispatcher publishes it, so that whoever adds a task can be told of a typo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedProfile {
    /// Its name.
    pub name: String,
    /// What it offers.
    pub skills: Vec<String>,
    /// Which labels a dispatcher must have to run it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// How many of it may run at once, over the whole store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// What it says about limits.
    #[serde(default)]
    pub limits: Stored<LimitsLayer>,
    /// What `[defaults]` says beneath it.
    #[serde(default)]
    pub defaults: Stored<LimitsLayer>,
}

/// A dispatcher's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatcher {
    /// This incarnation.
    pub id: DispatcherId,
    /// Its process, by which its death can be proved on its own host.
    pub process: ProcessId,
    /// The host's name, for people.
    pub host_name: String,
    /// Where it is poked and followed.
    pub socket: PathBuf,
    /// Which version of Tenure it is.
    pub version: String,
    /// Which schema version it knows: what a store written for a later one asks may be beyond it.
    pub knows: i64,
    /// How many workers it runs at once.
    pub slots: u32,
    /// What it can run.
    pub profiles: Vec<PublishedProfile>,
    /// The labels it has.
    pub labels: Vec<String>,
    /// The batch it serves, where it serves one only.
    pub batch: Option<BatchId>,
    /// From when it takes nothing new because it was asked to. Publishing leaves it as it is.
    pub drain_at: Option<jiff::Timestamp>,
    /// What it holds back. Publishing leaves it as it is; see [`Store::hold_back`].
    pub held: Vec<Held>,
}

impl Store {
    /// Publishes a dispatcher, or again after its profiles changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn publish(&self, dispatcher: Dispatcher) -> Result<(), Error> {
        self.write(Publish(dispatcher)).await
    }

    /// Notes that a dispatcher lives; whether its row is still there. On SQLite its lock says so, and
    /// nothing is written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn dispatcher_seen(&self, id: DispatcherId) -> Result<bool, Error> {
        match self.url() {
            StoreUrl::Sqlite(_) => Ok(true),
            StoreUrl::Postgres(_) => self.write_at_once(Seen(id)).await,
        }
    }

    /// When a dispatcher gave its last sign of life, by the store's clock; for telling whether it
    /// gives more.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn last_seen(&self, id: DispatcherId) -> Result<jiff::Timestamp, Error> {
        timestamp(
            self.read(async |tx| tx.number(&sql::SEEN_AT, values![id]).await)
                .await?,
        )
    }

    /// Waits in line with all writes, and changes nothing: an answer means that a claim would be
    /// written now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn write_nothing(&self) -> Result<(), Error> {
        self.write(Nothing).await
    }

    /// Notes that a dispatcher is gone for good.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn retire(&self, id: DispatcherId) -> Result<(), Error> {
        self.write(Retire(id)).await
    }
}

/// A dispatcher's id as the store writes it.
pub(crate) fn dispatcher_id(text: &str) -> Result<DispatcherId, Error> {
    text.parse()
        .map_err(|_| Error::Unreadable(format!("{text:?} is no dispatcher id")))
}

struct Publish(Dispatcher);

impl Write for Publish {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let Self(dispatcher) = self;
        let now = tx.now().await?;
        let row = values![
            dispatcher.id,
            dispatcher.process.host_id.as_str(),
            dispatcher.host_name.as_str(),
            dispatcher.process.boot_id.as_str(),
            dispatcher.process.pid,
            dispatcher.socket.as_path(),
            dispatcher.version.as_str(),
            dispatcher.slots,
            serde_json::to_string(&dispatcher.profiles)?,
            dispatcher.batch,
            now,
            dispatcher.process.pid_namespace.cast_signed(),
            dispatcher.process.start_ticks.cast_signed(),
            dispatcher.process.inode.cast_signed(),
            serde_json::to_string(&dispatcher.labels)?,
            dispatcher.knows,
        ];
        tx.execute(&sql::PUBLISH, row).await?;
        Ok(())
    }
}

struct Seen(DispatcherId);

impl Write for Seen {
    type Answer = bool;

    async fn apply(&self, tx: &mut Transaction) -> Result<bool, Error> {
        let now = tx.now().await?;
        Ok(tx.execute(&sql::SEEN, values![self.0, now]).await? > 0)
    }
}

struct Retire(DispatcherId);

impl Write for Retire {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        tx.execute(&sql::RETIRE, values![self.0, now]).await?;
        Ok(())
    }
}

struct Nothing;

impl Write for Nothing {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.now().await.map(|_| ())
    }
}
