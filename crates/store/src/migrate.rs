//! The schema's versions: creates the tables in an empty database, and brings older ones up to
//! date, all of it or nothing, in one transaction.

use std::time::Duration;

use sqlx::FromRow;

use crate::clock::Clock;
use crate::connection::Connection;
use crate::copy::{Birth, Marker};
use crate::error::{Error, OpenError};
use crate::ids::InstanceId;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::DEADLINE;

/// The script that leads to one version, in the words of each database.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    sqlite: &'static str,
    postgres: &'static str,
}

/// The first leads to version 1, and so on. Only ever added to.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        sqlite: include_str!("../migrations/sqlite/0001_tasks.sql"),
        postgres: include_str!("../migrations/postgres/0001_tasks.sql"),
    },
    Migration {
        sqlite: include_str!("../migrations/sqlite/0002_adoption.sql"),
        postgres: include_str!("../migrations/postgres/0002_adoption.sql"),
    },
    Migration {
        sqlite: include_str!("../migrations/sqlite/0003_care.sql"),
        postgres: include_str!("../migrations/postgres/0003_care.sql"),
    },
    Migration {
        sqlite: include_str!("../migrations/sqlite/0004_hosts.sql"),
        postgres: include_str!("../migrations/postgres/0004_hosts.sql"),
    },
];

/// How long bringing the tables up to date may take: as long as any store needs. Beyond this the database
/// is gone, and nobody said so.
const PATIENCE: Duration = Duration::from_hours(6);

/// The server shall not end what is given so long.
const UNLIMITED: &str = "SET LOCAL statement_timeout = 0";

#[derive(FromRow)]
struct Belongs {
    ours: i64,
    tables: i64,
    moving: i64,
}

#[derive(FromRow)]
struct Meta {
    instance_id: String,
    schema_version: i64,
}

/// What was found in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing at all.
    Empty,
    /// Tables of another program.
    Foreign,
    /// A store.
    Store,
    /// A store that is one end of a migration.
    Moving,
}

/// A store whose tables are just right for this version, or one that is one end of a migration:
/// then nothing was looked at or changed but that.
#[derive(Debug)]
pub(crate) struct Known {
    pub instance: InstanceId,
    pub marker: Option<Marker>,
}

/// Whose database this is.
pub(crate) async fn look(connection: &mut Connection) -> Result<Found, sqlx::Error> {
    let rows = connection.fetch(&sql::BELONGS, Vec::new()).await?;
    Ok(match rows.first() {
        Some(Belongs {
            ours: 1..,
            moving: 1..,
            ..
        }) => Found::Moving,
        Some(Belongs { ours: 1.., .. }) => Found::Store,
        Some(Belongs { tables: 1.., .. }) => Found::Foreign,
        Some(Belongs { .. }) | None => Found::Empty,
    })
}

/// A store whose tables are just right for this version, or one end of a migration; nothing where there
/// is none yet.
pub(crate) async fn current(
    connection: &mut Connection,
    what: &str,
    migrations: &[Migration],
) -> Result<Option<Known>, OpenError> {
    let (store, found) = standing(connection, what).await?;
    let known = version(migrations);
    let is_moving = store.as_ref().is_some_and(|store| store.marker.is_some());
    if store.is_some() && found < known && !is_moving {
        let what = what.to_owned();
        return Err(OpenError::Older { what, found, known });
    }
    done(store, what, found, known)
}

/// What is there now, which version its tables have, and which one this program writes.
pub(crate) async fn found_now(
    connection: &mut Connection,
    what: &str,
) -> Result<(Option<Known>, i64, i64), OpenError> {
    let (store, found) = in_time(what, DEADLINE, standing(connection, what)).await?;
    Ok((store, found, version(MIGRATIONS)))
}

/// Brings the tables to the last version, from whichever they have; answers with the store's name.
/// Nothing is changed where that is not possible, or where the store is one end of a migration. One
/// that is not there yet gets a name of its own, or begins as a copy of another one. A large store has as
/// long as it needs for it; whoever opens it meanwhile has an answer in time.
pub(crate) async fn migrate(
    mut connection: Connection,
    what: &str,
    migrations: &[Migration],
    birth: Option<&Birth>,
) -> Result<(Connection, Known), OpenError> {
    let known = version(migrations);
    let (store, found) = in_time(what, DEADLINE, standing(&mut connection, what)).await?;
    if let Some(store) = done(store, what, found, known)? {
        return Ok((connection, store));
    }
    let begun = in_time(what, DEADLINE, async {
        let mut tx = begin(connection)
            .await
            .map_err(|error| kept_waiting(what, found, known, &error))?;
        let standing = standing(tx.connection(), what).await?;
        Ok((tx, standing))
    });
    let (tx, (store, found)) = begun.await?;
    let instance = store.as_ref().map(|store| store.instance);
    // Another one may have done it meanwhile.
    if let Some(store) = done(store, what, found, known)? {
        let connection = in_time(what, DEADLINE, async {
            tx.rollback().await.map_err(|error| refuse(what, &error))
        });
        return Ok((connection.await?, store));
    }
    let (instance, marker) = match (instance, birth) {
        (Some(instance), _) => (instance, None),
        (None, Some(birth)) => (birth.instance, Some(birth.marker.clone())),
        (None, None) => (InstanceId::random(), None),
    };
    let born = Known { instance, marker };
    let brought = in_time(what, PATIENCE, async {
        let done = usize::try_from(found).unwrap_or_default();
        bring(tx, what, &born, found, &migrations[done..]).await
    });
    Ok((brought.await?, born))
}

/// The store that is there, where nothing is to be done to its tables.
fn done(
    store: Option<Known>,
    what: &str,
    found: i64,
    known: i64,
) -> Result<Option<Known>, OpenError> {
    if store.as_ref().is_some_and(|store| store.marker.is_some()) {
        return Ok(store);
    }
    not_newer(what, found, known)?;
    Ok(store.filter(|_| found == known))
}

/// Begins to write, when nobody else changes the tables.
async fn begin(connection: Connection) -> Result<Transaction, Error> {
    let mut tx = Transaction::write(connection, &Clock::Database).await?;
    tx.number(&sql::LOCK_SCHEMA, Vec::new()).await?;
    Ok(tx)
}

/// Runs the scripts that lead on from a version, and commits.
async fn bring(
    mut tx: Transaction,
    what: &str,
    store: &Known,
    found: i64,
    migrations: &[Migration],
) -> Result<Connection, OpenError> {
    let refused = |error: Error| refuse(what, &error);
    let known = found + version(migrations);
    tracing::info!(
        schema.from = found,
        schema.to = known,
        "bringing the tables up to date"
    );
    let connection = tx.connection();
    if let Connection::Postgres(_) = connection {
        let lifted = connection.run(UNLIMITED).await;
        lifted.map_err(|error| unmade(what, known, &error))?;
    }
    for migration in migrations {
        let script = match connection {
            Connection::Sqlite(_) => migration.sqlite,
            Connection::Postgres(_) => migration.postgres,
        };
        let ran = connection.run(script).await;
        ran.map_err(|error| unmade(what, known, &error))?;
    }
    let version = values![store.instance.to_string(), known];
    let written = tx.execute(&sql::SET_META, version).await;
    written.map_err(refused)?;
    if let Some(marker) = &store.marker {
        marker.write(&mut tx).await.map_err(refused)?;
    }
    tx.commit().await.map_err(refused)
}

/// The store that is there, and its version: 0 where nothing is.
async fn standing(
    connection: &mut Connection,
    what: &str,
) -> Result<(Option<Known>, i64), OpenError> {
    let looked = look(connection).await;
    match looked.map_err(|error| unavailable(what, &error.to_string()))? {
        Found::Empty => Ok((None, 0)),
        Found::Foreign => Err(OpenError::Foreign {
            what: what.to_owned(),
        }),
        found @ (Found::Store | Found::Moving) => {
            let (instance, version) = meta(connection, what).await?;
            let marker = match found {
                Found::Moving => {
                    let marker = Marker::read(connection).await;
                    Some(marker.map_err(|error| refuse(what, &error))?)
                }
                Found::Empty | Found::Foreign | Found::Store => None,
            };
            Ok((Some(Known { instance, marker }), version))
        }
    }
}

/// The answer of a part of an opening that is given up after a while.
pub(crate) async fn in_time<T>(
    what: &str,
    limit: Duration,
    opening: impl Future<Output = Result<T, OpenError>>,
) -> Result<T, OpenError> {
    let answer = tokio::time::timeout(limit, opening).await;
    answer.unwrap_or_else(|_| {
        let problem = format!("nothing within {} s", limit.as_secs());
        Err(unavailable(what, &problem))
    })
}

/// Why the tables were not brought up to date: somebody else has them.
fn kept_waiting(what: &str, found: i64, known: i64, error: &Error) -> OpenError {
    let problem = problem(error);
    let problem = match found {
        0 => format!("another process may be creating its tables just now: try again ({problem})"),
        _ => format!(
            "its tables have version {found}, and another process may be bringing them to {known} just now: try again when that is done ({problem})"
        ),
    };
    unavailable(what, &problem)
}

/// Why tables could not be made.
fn unmade(what: &str, known: i64, error: &sqlx::Error) -> OpenError {
    /// `insufficient_privilege`
    const NOT_ALLOWED: &str = "42501";
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(NOT_ALLOWED) {
        return OpenError::MayNotMigrate {
            what: what.to_owned(),
            known,
            problem: error.to_string(),
        };
    }
    refuse(what, &Error::Unavailable(error.to_string()))
}

/// What was refused while a store was opened.
pub(crate) fn refuse(what: &str, error: &Error) -> OpenError {
    unavailable(what, &problem(error))
}

/// The database's words; the rest of a store's error is said once more where it is opened.
fn problem(error: &Error) -> String {
    if let Error::Unavailable(problem) = error {
        return problem.clone();
    }
    error.to_string()
}

async fn meta(connection: &mut Connection, what: &str) -> Result<(InstanceId, i64), OpenError> {
    let rows = connection.fetch::<Meta>(&sql::META, Vec::new()).await;
    let rows = rows.map_err(|error| unavailable(what, &error.to_string()))?;
    rows.first()
        .and_then(|meta| {
            let id = meta.instance_id.parse().ok()?;
            Some((InstanceId(id), meta.schema_version))
        })
        .ok_or_else(|| unavailable(what, "its first table is empty or damaged"))
}

/// The schema version for which this program was written.
pub(crate) fn known() -> i64 {
    version(MIGRATIONS)
}

fn version(migrations: &[Migration]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

fn not_newer(what: &str, found: i64, known: i64) -> Result<(), OpenError> {
    if found > known {
        let what = what.to_owned();
        return Err(OpenError::Newer { what, found, known });
    }
    Ok(())
}

/// The database's words about a store that could not be opened.
pub(crate) fn unavailable(what: &str, problem: &str) -> OpenError {
    OpenError::Unavailable {
        what: what.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    async fn connect(path: &std::path::Path) -> Connection {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        Connection::Sqlite(Box::new(options.connect().await.unwrap()))
    }

    fn step(sqlite: &'static str) -> Migration {
        Migration {
            sqlite,
            postgres: sqlite,
        }
    }

    /// What the first version knew.
    const FIRST: &[Migration] = MIGRATIONS.split_at(1).0;

    #[tokio::test]
    async fn an_interrupted_migration_leaves_nothing_of_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenure.db");
        let connection = connect(&path).await;
        let (connection, known) = migrate(connection, "store", FIRST, None).await.unwrap();
        let instance = known.instance;
        drop(connection);

        let broken = [
            MIGRATIONS[0],
            step("CREATE TABLE second (number BIGINT)"),
            step("CREATE TABLE third (number BIGINT); INSERT INTO nowhere VALUES (1)"),
        ];
        let refused = migrate(connect(&path).await, "store", &broken, None).await;
        assert!(matches!(refused, Err(OpenError::Unavailable { .. })));
        let mut connection = connect(&path).await;
        let found = meta(&mut connection, "store").await.unwrap();
        assert_eq!(found, (instance, 1));

        let mended = [
            MIGRATIONS[0],
            broken[1],
            step("CREATE TABLE third (number BIGINT)"),
        ];
        let migrated = migrate(connection, "store", &mended, None).await;
        let (mut connection, same) = migrated.unwrap();
        assert_eq!(same.instance, instance);
        assert_eq!(meta(&mut connection, "store").await.unwrap(), (instance, 3));
        let newer = migrate(connection, "store", FIRST, None).await;
        assert!(matches!(
            newer,
            Err(OpenError::Newer {
                found: 3,
                known: 1,
                ..
            })
        ));
    }
}
