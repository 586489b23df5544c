//! Opening a store: which database, which version, is it ours.

mod filesystem;
mod postgres;
mod sqlite;

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use crate::clock::{Clock, timestamp};
use crate::connection::Connection;
use crate::copy::Birth;
use crate::database::{Address, Database, Readers, Spare};
use crate::dispatcher::IsDead;
use crate::error::{Error, OpenError};
use crate::ids::InstanceId;
use crate::migrate::Known;
use crate::process::ProcessId;
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::watch::{Origin, Watch};
use crate::writer::{Write, Writer};
use filesystem::{FileId, LastWritten};

/// An open store. Cheap to clone; every clone is the same store. It lives on the runtime on which
/// it was opened.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    instance: InstanceId,
    origin: Origin,
    url: StoreUrl,
    file: Option<OpenFile>,
    writer: Writer,
    /// Of leases, and of signs of life.
    renewals: Writer,
    readers: Readers,
    /// When the file was last written to as a poll found nothing in it.
    quiet: Mutex<Option<LastWritten>>,
    is_dead: OnceLock<ProofOfDeath>,
}

/// How the death of a dispatcher is proved, where the store was told.
struct ProofOfDeath(Arc<IsDead>);

impl fmt::Debug for ProofOfDeath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofOfDeath")
    }
}

/// A file and which one it was when it was opened.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    id: FileId,
}

/// A database of which it is known that it is a store of this version, or one end of a migration.
pub(crate) struct Opened {
    address: Address,
    /// For the writer, where it may write.
    pub connection: Option<Connection>,
    pub known: Known,
    file: Option<OpenFile>,
}

impl Opened {
    /// A connection that reads.
    pub(crate) async fn into_reading(self) -> Result<Connection, Error> {
        match self.connection {
            Some(connection) => Ok(connection),
            None => Ok(self.address.connect_to_read().await?),
        }
    }
}

/// What a caller wants of a store that it opens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Intent<'a> {
    /// It shall be there, with the newest tables; where it is not, perhaps as a copy of another one.
    Create(Option<&'a Birth>),
    /// It is there or not; nothing is created or changed.
    Existing,
}

impl Store {
    /// Opens a store to write: creates the file (0600) and its folder (0700) where they are
    /// missing, and brings an older schema up to date, which takes as long as it takes. Else, and also
    /// while another process does that, it answers within a quarter of a minute.
    ///
    /// # Errors
    /// [`OpenError`], each naming the store and the way out; nothing was changed.
    pub async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        Self::open_with(url, Clock::Database).await
    }

    /// The same with a clock of the caller's, for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(url: &StoreUrl, clock: Clock) -> Result<Self, OpenError> {
        match open(url, Intent::Create(None)).await? {
            Some(opened) => Self::new(url, clock, opened),
            None => Err(crate::migrate::unavailable(
                &url.to_string(),
                "it was removed while it was opened",
            )),
        }
    }

    /// Opens a store that exists, creating and changing nothing; `None` where there is none yet.
    ///
    /// # Errors
    /// As [`Store::open`], and [`OpenError::Older`].
    pub async fn open_existing(url: &StoreUrl) -> Result<Option<Self>, OpenError> {
        let opened = open(url, Intent::Existing).await?;
        opened
            .map(|opened| Self::new(url, Clock::Database, opened))
            .transpose()
    }

    /// **Invariant:** nobody but its migration uses a store that is one end of one.
    fn new(url: &StoreUrl, clock: Clock, opened: Opened) -> Result<Self, OpenError> {
        let Opened {
            address,
            connection,
            known,
            file,
        } = opened;
        if let Some(marker) = &known.marker {
            return Err(marker.refusal(&url.to_string()));
        }
        let origin = Origin::random();
        let database = |spare| Database::new(address.clone(), clock.clone(), origin, spare);
        // A file is written on one connection. A server's first one is for whoever needs it first,
        // and leases are renewed on one of their own, so that no long write keeps them waiting.
        let (writer, renewals, spare) = match url {
            StoreUrl::Sqlite(_) => {
                let mut database = database(Spare::default());
                if let Some(connection) = connection {
                    database.keep(connection);
                }
                let writer = Writer::start(database);
                (writer.clone(), writer, Spare::default())
            }
            StoreUrl::Postgres(_) => {
                let spare = Spare::new(connection);
                let writer = Writer::start(database(spare.clone()));
                let renewals = Writer::start(database(spare.clone()));
                (writer, renewals, spare)
            }
        };
        let readers = Readers::new(address, clock, spare);
        Ok(Self {
            shared: Arc::new(Shared {
                instance: known.instance,
                origin,
                url: url.clone(),
                file,
                writer,
                renewals,
                readers,
                quiet: Mutex::new(None),
                is_dead: OnceLock::new(),
            }),
        })
    }

    /// The store's name for ever.
    pub fn instance(&self) -> InstanceId {
        self.shared.instance
    }

    /// Where it is.
    pub fn url(&self) -> &StoreUrl {
        &self.shared.url
    }

    /// From now on a dispatcher whose process is proved dead does not count as living, although it gave
    /// a sign of life lately. Processes are not the store's to look at; what was told first stands.
    pub fn count_out(&self, is_dead: impl Fn(&ProcessId) -> bool + Send + Sync + 'static) {
        let proof = ProofOfDeath(Arc::new(is_dead));
        // Whoever was first knows as much.
        let _ = self.shared.is_dead.set(proof);
    }

    pub(crate) fn proof_of_death(&self) -> Option<Arc<IsDead>> {
        let proof = self.shared.is_dead.get();
        proof.map(|proof| Arc::clone(&proof.0))
    }

    /// Checks that the open file is still the one at the path: a replaced WAL database splits
    /// silently into two. Always well on PostgreSQL.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] naming the path.
    pub async fn check_file(&self) -> Result<(), Error> {
        let Some(file) = &self.shared.file else {
            return Ok(());
        };
        let split = |what: &str| {
            Err(Error::Unavailable(format!(
                "{} {what} while it was open: stop, put the old file back or start anew",
                file.path.display()
            )))
        };
        // By its path only: closing any descriptor of the file drops SQLite's locks on it.
        let path = file.path.clone();
        let looked = tokio::task::spawn_blocking(move || FileId::of(&path)).await;
        match looked.map_err(std::io::Error::other).flatten() {
            Ok(id) if id == file.id => Ok(()),
            Ok(_) => split("was replaced"),
            Err(error) if error.kind() == ErrorKind::NotFound => split("was removed"),
            Err(error) => split(&format!("cannot be looked at any more ({error})")),
        }
    }

    /// Tells what others write, on a connection of its own where there is one.
    pub fn watch(&self) -> Watch {
        let Shared {
            instance, origin, ..
        } = *self.shared;
        self.shared.readers.watch(instance, origin)
    }

    /// When the store's file was last written to; nothing on PostgreSQL, which has to be asked.
    pub(crate) fn last_written(&self) -> Option<LastWritten> {
        LastWritten::of(&self.shared.file.as_ref()?.path)
    }

    /// Whether nothing was written since nothing was found.
    pub(crate) fn is_quiet_since(&self, written: Option<LastWritten>) -> bool {
        let quiet = self.shared.quiet.lock().map_or(None, |quiet| *quiet);
        written.is_some() && written == quiet
    }

    /// Notes when the file was last written to as nothing was found, or that something was.
    pub(crate) fn note_quiet(&self, written: Option<LastWritten>) {
        if let Ok(mut quiet) = self.shared.quiet.lock() {
            *quiet = written;
        }
    }

    /// What time it is by the store's clock.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn time(&self) -> Result<jiff::Timestamp, Error> {
        timestamp(self.read(async |tx| tx.now().await).await?)
    }

    /// Writes in group commit; durable when this returns.
    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Answer, Error> {
        self.shared.writer.write(write).await
    }

    /// Writes what must not wait behind anything else: what holds a claim.
    pub(crate) async fn write_at_once<W: Write>(&self, write: W) -> Result<W::Answer, Error> {
        self.shared.renewals.write(write).await
    }

    /// Whether several hosts may share it, so that time decides between them.
    pub fn is_shared(&self) -> bool {
        matches!(self.url(), StoreUrl::Postgres(_))
    }

    /// Reads one moment of the store.
    pub(crate) async fn read<T>(
        &self,
        reading: impl AsyncFnOnce(&mut Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.shared.readers.read(reading).await
    }

    /// For what one statement reads.
    pub(crate) fn readers(&self) -> &Readers {
        &self.shared.readers
    }
}

/// Opens whatever is there, one end of a migration too. Every step has a deadline of its own.
pub(crate) async fn open(url: &StoreUrl, intent: Intent<'_>) -> Result<Option<Opened>, OpenError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::open(path, intent).await,
        StoreUrl::Postgres(address) => postgres::open(url, address, intent).await,
    }
}
