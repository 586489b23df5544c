//! Who dispatches a store: on SQLite whoever has the lock beside the file, which the kernel drops with the
//! process; on PostgreSQL whoever wants to.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::value::values;
use crate::writer::Write;

/// Held for as long as this process is the store's dispatcher. On SQLite a lock on the file beside
/// the store, which the kernel drops with the process; on PostgreSQL several may hold.
#[derive(Debug)]
pub struct Hold {
    #[expect(dead_code, reason = "held, not read: closing it gives the lock back")]
    lock: Option<File>,
}

/// How often, and how far apart, the lock is tried: whoever only looks whether it is held has it
/// for an instant.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

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
