//! dispatcher: which dispatchers there are, what they can run, where they listen.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::clock::{millis, timestamp};
use crate::error::Error;
use crate::held::Held;
use crate::ids::{BatchId, DispatcherId};
use crate::life::LimitsLayer;
use crate::moved::small;
use crate::open::Store;
use crate::process::ProcessId;
use crate::read::Stored;
use crate::sql;
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::value::values;
use crate::writer::Write;

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

/// Held for as long as this process is the store's dispatcher. On SQLite a lock on the file beside
/// the store, which the kernel drops with the process; on PostgreSQL several may hold.
#[derive(Debug)]
pub struct Hold {
    #[expect(dead_code, reason = "held, not read: closing it gives the lock back")]
    lock: Option<std::fs::File>,
}

/// How often, and how far apart, the lock is tried: whoever only looks whether it is held has it
/// for an instant.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// How long a dispatcher of a shared store counts as living after it was last seen.
pub(crate) const LIVING: Duration = Duration::from_secs(30);

/// A dispatcher gives a sign of life every 14 s: after this long one has failed to come.
const LATE: Duration = Duration::from_secs(20);

impl Store {
    /// Becomes the store's dispatcher.
    ///
    /// # Errors
    /// [`Error::Held`] on SQLite where another one is, naming it.
    pub async fn hold(&self) -> Result<Hold, Error> {
        let StoreUrl::Sqlite(path) = self.url() else {
            return Ok(Hold { lock: None });
        };
        let file = match take_lock(path).await? {
            Ok(file) => file,
            Err(holder) => return Err(self.held(path, &holder).await),
        };
        // The lock proves that every other dispatcher of this file is dead.
        self.write(RetireAll).await?;
        Ok(Hold { lock: Some(file) })
    }

    async fn held(&self, path: &Path, holder: &str) -> Error {
        let published = self.published(0).await.unwrap_or_default();
        let served = match published.last() {
            Some(dispatcher) => format!(
                "dispatcher {} on {} ({holder})",
                dispatcher.id, dispatcher.host_name
            ),
            None => format!("another dispatcher ({holder})"),
        };
        Error::Held(format!(
            "{} is served by {served}: stop that one first, or name another store",
            path.display()
        ))
    }

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
    async fn published(&self, after: i64) -> Result<Vec<Dispatcher>, Error> {
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

struct RetireAll;

impl Write for RetireAll {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        tx.execute(&sql::RETIRE_ALL, values![now]).await?;
        Ok(())
    }
}

/// Takes the lock of a store's file and signs it; else says who has it.
pub(crate) async fn take_lock(path: &Path) -> Result<Result<File, String>, Error> {
    let lock = lock_file(path);
    let mut file = open_lock(&lock).map_err(|error| away(&lock, &error))?;
    if try_hard(&file, &lock).await? {
        sign(&mut file).map_err(|error| away(&lock, &error))?;
        return Ok(Ok(file));
    }
    let mut holder = String::new();
    // What cannot be read is left unsaid.
    let _ = file.read_to_string(&mut holder);
    Ok(Err(holder
        .lines()
        .next()
        .unwrap_or("pid unknown")
        .to_owned()))
}

/// The lock lies beside the file: SQLite's own locks must not be touched.
fn lock_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn open_lock(lock: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(lock)
}

async fn try_hard(file: &File, lock: &Path) -> Result<bool, Error> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(BETWEEN_TRIES).await,
            Err(TryLockError::Error(error)) => return Err(away(lock, &error)),
        }
    }
    Ok(false)
}

/// Says in the file who holds it, for whoever is refused.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "pid {}", std::process::id())
}

/// Whether some process holds the lock. A file that cannot be opened is nobody's to look into.
pub(crate) fn is_held(path: &Path) -> bool {
    File::open(lock_file(path))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn away(lock: &Path, error: &io::Error) -> Error {
    Error::Unavailable(format!("cannot lock {}: {error}", lock.display()))
}
