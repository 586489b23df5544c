//! backup: a second file with all of a store in it, made while others go on writing.
//!
//! It is written under another name (`FILE.partial`), checked, made durable, and only then given its
//! name: whoever finds FILE finds a whole store, whatever was killed on the way. What holds for a file
//! does not for a server: PostgreSQL has tools of its own, which know its version and its roles.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::SqliteConnection;

use crate::connection::Connection;
use crate::error::{Error, OpenError};
use crate::open::Store;
use crate::url::StoreUrl;

/// What a backup holds: `backup --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where it is.
    pub file: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// How many tasks are in it.
    pub tasks: i64,
    /// How many runs.
    pub runs: i64,
    /// How many events.
    pub events: i64,
}

/// There is no backup under the name that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something has that name already.
    #[error("{0} is there already: a backup overwrites nothing; name another file")]
    Taken(PathBuf),
    /// Another backup writes the same file just now.
    #[error("another backup writes {0} just now: wait for it, or name another file")]
    UnderWay(PathBuf),
    /// A server's database.
    #[error(
        "a PostgreSQL store is backed up by PostgreSQL's own tools, while everything goes on: `pg_dump --format=custom --file {file}`, with the address in PGSERVICE or PGHOST and the password in ~/.pgpass"
    )]
    Server {
        /// What was asked for.
        file: PathBuf,
    },
    /// It could not be written.
    #[error("{what} {path}: {problem}")]
    Unwritten {
        /// What failed.
        what: &'static str,
        /// Of which file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// What was written is not what it should be, and was thrown away.
    #[error("the copy is not sound, and was thrown away: {0}")]
    Unsound(String),
    /// The copy cannot be opened as a store, and was thrown away.
    #[error("the copy cannot be opened, and was thrown away: {0}")]
    Unopened(#[from] OpenError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How far a store has come: the highest ids that were ever given. They only rise, also where what had them
/// was cleared away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    tasks: i64,
    runs: i64,
    events: i64,
}

impl Store {
    /// Writes a copy of the store, consistent in itself, to a file that does not exist yet; durable and
    /// verified when this returns. Nobody who writes to the store waits for it.
    ///
    /// # Errors
    /// [`BackupError`]; there is no file of that name then.
    pub async fn backup(&self, file: &Path) -> Result<Backup, BackupError> {
        if !matches!(self.url(), StoreUrl::Sqlite(_)) {
            return Err(BackupError::Server {
                file: file.to_owned(),
            });
        }
        if fs::symlink_metadata(file).is_ok() {
            return Err(BackupError::Taken(file.to_owned()));
        }
        let partial = Partial::begin(file)?;
        let before = mark(&mut self.reading().await?).await?;
        copy(&mut self.reading().await?, &partial.path).await?;
        let after = mark(&mut self.reading().await?).await?;
        let found = self.verify(&partial.path, before, after).await?;
        partial.finish(file)?;
        Ok(Backup {
            file: file.to_owned(),
            ..found
        })
    }

    /// A connection that only reads.
    async fn reading(&self) -> Result<SqliteConnection, Error> {
        match self.readers().connection().await? {
            Connection::Sqlite(connection) => Ok(*connection),
            Connection::Postgres(_) => Err(Error::Unreadable("a file was expected".into())),
        }
    }

    /// Checks a copy: SQLite finds it whole, it opens as a store, it is of this one, and it is of the
    /// time between two marks.
    async fn verify(&self, path: &Path, before: Mark, after: Mark) -> Result<Backup, BackupError> {
        let unsound = |problem: String| Err(BackupError::Unsound(problem));
        let copy = Self::open_existing(&StoreUrl::Sqlite(path.to_owned())).await?;
        let Some(copy) = copy else {
            return unsound("it is empty".into());
        };
        if copy.instance() != self.instance() {
            return unsound("it is another store".into());
        }
        let mut connection = copy.reading().await?;
        let verdict = text(&mut connection, "PRAGMA integrity_check").await?;
        if verdict != "ok" {
            return unsound(verdict);
        }
        let orphans = "SELECT count(*) FROM pragma_foreign_key_check";
        if number(&mut connection, orphans).await? != 0 {
            return unsound("rows refer to others that are not there".into());
        }
        let found = mark(&mut connection).await?;
        let within = |from: i64, it: i64, to: i64| (from..=to).contains(&it);
        if !(within(before.tasks, found.tasks, after.tasks)
            && within(before.runs, found.runs, after.runs)
            && within(before.events, found.events, after.events))
        {
            return unsound(format!(
                "it has come to {found:?}, the store from {before:?} to {after:?}"
            ));
        }
        let backup = Backup {
            file: path.to_owned(),
            bytes: fs::metadata(path).map_or(0, |metadata| metadata.len()),
            tasks: number(&mut connection, "SELECT count(*) FROM tasks").await?,
            runs: number(&mut connection, "SELECT count(*) FROM runs").await?,
            events: number(&mut connection, "SELECT count(*) FROM events").await?,
        };
        // Closed before the file gets its name: a reader may leave an index of the log beside it.
        let closed = Connection::Sqlite(Box::new(connection)).close().await;
        closed.map_err(Error::from)?;
        Ok(backup)
    }
}

/// The file while it is being written; it goes away with this, and under no other name.
#[derive(Debug)]
struct Partial {
    path: PathBuf,
    /// Holds the lock that keeps others from writing the same.
    lock: File,
}

impl Partial {
    /// Makes it, empty and for nobody else's eyes. What a backup left that was killed is overwritten.
    fn begin(file: &Path) -> Result<Self, BackupError> {
        let mut name = file.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        let lock = Self::locked(&path)?;
        Ok(Self { path, lock })
    }

    fn locked(path: &Path) -> Result<File, BackupError> {
        let cannot = unwritten("cannot write", path);
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)
            .map_err(&cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(BackupError::UnderWay(path.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        lock.set_len(0).map_err(&cannot)?;
        Ok(lock)
    }

    /// Makes it durable and gives it its name, where that is still free.
    fn finish(self, file: &Path) -> Result<(), BackupError> {
        let durable = self.lock.sync_all();
        durable.map_err(unwritten("cannot make durable", &self.path))?;
        match fs::hard_link(&self.path, file) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(BackupError::Taken(file.to_owned()));
            }
            Err(error) => return Err(unwritten("cannot name it", file)(error)),
        }
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        // The name is durable only with its folder.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(unwritten("cannot make durable", folder))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for suffix in ["-journal", "-wal", "-shm", ""] {
            let mut name = self.path.clone().into_os_string();
            name.push(suffix);
            // Most of them are not there.
            let _ = fs::remove_file(name);
        }
    }
}

fn unwritten<'a>(what: &'static str, path: &'a Path) -> impl Fn(io::Error) -> BackupError + 'a {
    move |error| BackupError::Unwritten {
        what,
        path: path.to_owned(),
        problem: error.to_string(),
    }
}

/// One statement of SQLite's, one moment of the store. It has no deadline: it holds nobody up.
async fn copy(connection: &mut SqliteConnection, to: &Path) -> Result<(), BackupError> {
    let copied = sqlx::query("VACUUM INTO ?")
        .bind(to.to_string_lossy().into_owned())
        .execute(connection)
        .await;
    copied.map_err(|error| BackupError::Unwritten {
        what: "cannot copy into",
        path: to.to_owned(),
        problem: error.to_string(),
    })?;
    Ok(())
}

async fn mark(connection: &mut SqliteConnection) -> Result<Mark, Error> {
    Ok(Mark {
        tasks: given(connection, "tasks").await?,
        runs: given(connection, "runs").await?,
        events: given(connection, "events").await?,
    })
}

/// The highest id that a table ever gave; SQLite keeps it, and a copy has it too.
async fn given(connection: &mut SqliteConnection, table: &'static str) -> Result<i64, Error> {
    let query = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?";
    let given = sqlx::query_scalar(query).bind(table).fetch_one(connection);
    Ok(given.await?)
}

async fn number(connection: &mut SqliteConnection, query: &'static str) -> Result<i64, Error> {
    Ok(sqlx::query_scalar(query).fetch_one(connection).await?)
}

async fn text(connection: &mut SqliteConnection, query: &'static str) -> Result<String, Error> {
    Ok(sqlx::query_scalar(query).fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;
    use crate::task::{NewTask, Work};

    #[tokio::test]
    async fn how_far_a_store_has_come_does_not_fall_when_the_newest_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenure.db");
        let store = Store::open(&StoreUrl::Sqlite(path)).await.unwrap();
        let work = Work::Command(vec!["true".into()]);
        store.add(NewTask::new(work, "/".into())).await.unwrap();
        let before = mark(&mut store.reading().await.unwrap()).await.unwrap();
        assert!(before.tasks > 0 && before.events > 0);
        let address = format!("sqlite://{}", folder.path().join("tenure.db").display());
        let mut writing = SqliteConnection::connect(&address).await.unwrap();
        for clear in ["DELETE FROM events", "DELETE FROM tasks"] {
            sqlx::query(clear).execute(&mut writing).await.unwrap();
        }
        let copy = folder.path().join("copy.db");
        store.backup(&copy).await.unwrap();
        let after = mark(&mut store.reading().await.unwrap()).await.unwrap();
        assert_eq!(after, before);
    }
}
