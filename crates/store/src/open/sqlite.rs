//! Opening a file. A new store is made under another name and then linked into place, so that
//! nobody ever sees half of one, and two makers agree on one.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};

use super::filesystem::{FileId, check_local, check_writable, folder};
use super::{Intent, OpenFile, Opened};
use crate::connection::Connection;
use crate::copy::Birth;
use crate::database::Address;
use crate::error::OpenError;
use crate::migrate::{self, Found, MIGRATIONS, in_time, unavailable};
use crate::writer::DEADLINE;

/// Earlier versions can corrupt a write-ahead log when it is reset.
const OLDEST: (u32, u32, u32) = (3, 51, 3);

/// The smallest page, and so the smallest database, in bytes.
const SMALLEST: u64 = 512;

/// How long to wait for another process that writes: less than a call's deadline, so that the
/// caller hears "database is locked" instead of nothing.
const BUSY: Duration = Duration::from_millis(2500);

/// How long it may take until a file can be asked whose it is, where it has to be made first: creating the
/// tables is many statements, and beyond this the disk is not just slow.
const LIMIT: Duration = DEADLINE.saturating_mul(4);

pub(super) async fn open(path: &Path, intent: Intent<'_>) -> Result<Option<Opened>, OpenError> {
    let opened = open_file(path, intent).await;
    if matches!(&opened, Err(OpenError::Unavailable { .. })) && exists(path)? {
        // SQLite reads nothing where it may not make the log's index. A missing right is a reason
        // that somebody can do something about, so it is the one that is told.
        check_writable(path)?;
    }
    opened
}

async fn open_file(path: &Path, intent: Intent<'_>) -> Result<Option<Opened>, OpenError> {
    let what = path.display().to_string();
    let Some(mut connection) = in_time(&what, LIMIT, connect(path, intent)).await? else {
        return Ok(None);
    };
    let opened = match intent {
        Intent::Create(birth) => {
            Some(migrate::migrate(connection, &what, Some(path), MIGRATIONS, birth).await?)
        }
        Intent::Existing => {
            let looking = migrate::current(&mut connection, &what, MIGRATIONS);
            let known = in_time(&what, DEADLINE, looking).await?;
            known.map(|known| (connection, known))
        }
    };
    let Some((connection, known)) = opened else {
        return Ok(None);
    };
    let id = FileId::of(path).map_err(|error| unavailable(&what, &error.to_string()))?;
    Ok(Some(Opened {
        address: Address::Sqlite(Box::new(options(path))),
        connection: matches!(intent, Intent::Create(_)).then_some(connection),
        known,
        file: Some(OpenFile {
            path: path.to_owned(),
            id,
        }),
    }))
}

/// A connection to a file that is ours or empty; none where there is no file and none shall be made.
async fn connect(path: &Path, intent: Intent<'_>) -> Result<Option<Connection>, OpenError> {
    check_local(path)?;
    if !exists(path)? {
        match intent {
            Intent::Existing => return Ok(None),
            Intent::Create(birth) => create(path, birth).await?,
        }
    }
    let creates = matches!(intent, Intent::Create(_));
    if creates {
        check_writable(path)?;
    }
    if probe(path).await? == Found::Empty && !creates {
        return Ok(None);
    }
    let connecting = options(path).read_only(!creates).connect().await;
    let connection = connecting.map_err(|error| refused(path, &error))?;
    let mut connection = Connection::Sqlite(Box::new(connection));
    check_version(&mut connection, &path.display().to_string()).await?;
    if creates {
        keep_a_log(&mut connection, path).await?;
    }
    Ok(Some(connection))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

/// Whether a file is there, and may be a store.
fn exists(path: &Path) -> Result<bool, OpenError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(OpenError::Folder {
            path: path.to_owned(),
        }),
        // SQLite takes anything shorter than a page for empty, and would write over it.
        Ok(metadata) if metadata.is_file() && !(1..SMALLEST).contains(&metadata.len()) => Ok(true),
        Ok(_) => Err(OpenError::NoDatabase {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unavailable(&path.display().to_string(), &error.to_string())),
    }
}

/// Looks whose file it is without a trace: no lock, no log beside it.
async fn probe(path: &Path) -> Result<Found, OpenError> {
    let options = options(path).read_only(true).immutable(true);
    let look = async {
        let connection = options.connect().await?;
        let mut connection = Connection::Sqlite(Box::new(connection));
        let found = migrate::look(&mut connection).await?;
        connection.close().await?;
        Ok(found)
    };
    match look.await {
        Ok(Found::Foreign) => Err(OpenError::Foreign {
            what: path.display().to_string(),
        }),
        Ok(found @ (Found::Empty | Found::Store | Found::Moving)) => Ok(found),
        // Without a lock, a database that somebody writes at this moment looks torn. It is one, and
        // the opening that takes its locks says whether it is whole.
        Err(error) if code(&error).as_deref() == Some(CORRUPT) => Ok(Found::Store),
        Err(error) => Err(refused(path, &error)),
    }
}

/// Makes a whole store under another name and links it into place. Whoever comes second finds it
/// there, which is as good.
async fn create(path: &Path, birth: Option<&Birth>) -> Result<(), OpenError> {
    let what = path.display().to_string();
    let cannot = |problem: std::io::Error| OpenError::ReadOnly {
        path: path.to_owned(),
        problem: format!("it cannot be created: {problem}: name another place for the store"),
    };
    let folder = folder(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(cannot)?;
    let unfinished = Unfinished(folder.join(format!(".tenure-{}.new", uuid::Uuid::new_v4())));
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished.0)
        .map_err(cannot)?;
    let connection = options(&unfinished.0).connect().await;
    let connection = connection.map_err(|error| refused(path, &error))?;
    let mut connection = Connection::Sqlite(Box::new(connection));
    keep_a_log(&mut connection, path).await?;
    let (connection, _) =
        migrate::migrate(connection, &what, Some(path), MIGRATIONS, birth).await?;
    let closed = connection.close().await;
    closed.map_err(|error| unavailable(&what, &error.to_string()))?;
    match fs::hard_link(&unfinished.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cannot(error)),
    }
    // The name is durable only with its folder.
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(cannot)
}

/// A store that is being made; what is left of it under this name goes away with this.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            // Most of them are not there.
            let _ = fs::remove_file(name);
        }
    }
}

async fn check_version(connection: &mut Connection, what: &str) -> Result<(), OpenError> {
    let Connection::Sqlite(sqlite) = connection else {
        return Ok(());
    };
    let found: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut **sqlite)
        .await
        .map_err(|error| unavailable(what, &error.to_string()))?;
    if is_recent(&found) {
        Ok(())
    } else {
        Err(OpenError::OldSqlite { found })
    }
}

fn is_recent(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= OLDEST
}

/// Turns the write-ahead log on, which lasts for ever.
async fn keep_a_log(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let turned_on = connection.run("PRAGMA journal_mode = WAL").await;
    turned_on.map_err(|error| refused(path, &error))
}

/// `SQLITE_CORRUPT`: what is read does not fit together.
const CORRUPT: &str = "11";

/// `SQLITE_NOTADB`: the header is another one's.
const NOT_A_DATABASE: &str = "26";

fn code(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
}

/// SQLite's words about a file, as far as a caller can do something about them.
fn refused(path: &Path, error: &sqlx::Error) -> OpenError {
    match code(error).as_deref() {
        Some(NOT_A_DATABASE | CORRUPT) => OpenError::NoDatabase {
            path: path.to_owned(),
        },
        _ => unavailable(&path.display().to_string(), &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_can_corrupt_its_log_is_too_old() {
        for old in ["3.7.0", "3.50.4", "3.51.2", ""] {
            assert!(!is_recent(old), "{old:?} was taken for recent");
        }
        for recent in ["3.51.3", "3.52.0", "4.0.0"] {
            assert!(is_recent(recent), "{recent:?} was taken for old");
        }
    }
}
