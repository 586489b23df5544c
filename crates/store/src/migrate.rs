//! The schema's versions: creates the tables in an empty database, and brings older ones up to
//! date, all of it or nothing, in one transaction.

use std::time::Duration;

use sqlx::FromRow;

use crate::clock::Clock;
use crate::connection::Connection;
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
}

/// Whose database this is.
pub(crate) async fn look(connection: &mut Connection) -> Result<Found, sqlx::Error> {
    let rows = connection.fetch(&sql::BELONGS, Vec::new()).await?;
    Ok(match rows.first() {
        Some(Belongs { ours: 1.., .. }) => Found::Store,
        Some(Belongs { tables: 1.., .. }) => Found::Foreign,
        Some(Belongs { .. }) | None => Found::Empty,
    })
}

/// The name of a store whose tables are just right for this version.
pub(crate) async fn current(
    connection: &mut Connection,
    what: &str,
    migrations: &[Migration],
) -> Result<InstanceId, OpenError> {
    let (instance, found) = meta(connection, what).await?;
    let known = version(migrations);
    if found < known {
        let what = what.to_owned();
        return Err(OpenError::Older { what, found, known });
    }
    not_newer(what, found, known)?;
    Ok(instance)
}

/// Brings the tables to the last version, from whichever they have; answers with the store's name.
/// Nothing is changed where that is not possible. A large store has as long as it needs for it; whoever
/// opens it meanwhile has an answer in time.
pub(crate) async fn migrate(
    mut connection: Connection,
    what: &str,
    migrations: &[Migration],
) -> Result<(Connection, InstanceId), OpenError> {
    let known = version(migrations);
    let (instance, found) = in_time(what, DEADLINE, standing(&mut connection, what)).await?;
    not_newer(what, found, known)?;
    if let (Some(instance), true) = (instance, found == known) {
        return Ok((connection, instance));
    }
    let begun = in_time(what, DEADLINE, async {
        let mut tx = begin(connection)
            .await
            .map_err(|error| kept_waiting(what, found, known, &error))?;
        // Another one may have done it meanwhile.
        let standing = standing(tx.connection(), what).await?;
        Ok((tx, standing))
    });
    let (tx, (instance, found)) = begun.await?;
    not_newer(what, found, known)?;
    let instance = instance.unwrap_or_else(|| InstanceId(uuid::Uuid::new_v4()));
    let brought = in_time(what, PATIENCE, async {
        let done = usize::try_from(found).unwrap_or_default();
        let brought = bring(tx, instance, found, &migrations[done..]).await;
        brought.map_err(|error| refuse(what, &error))
    });
    Ok((brought.await?, instance))
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
    instance: InstanceId,
    found: i64,
    migrations: &[Migration],
) -> Result<Connection, Error> {
    if migrations.is_empty() {
        return tx.commit().await;
    }
    let known = found + version(migrations);
    tracing::info!(
        schema.from = found,
        schema.to = known,
        "bringing the tables up to date"
    );
    let connection = tx.connection();
    if let Connection::Postgres(_) = connection {
        connection.run(UNLIMITED).await?;
    }
    for migration in migrations {
        let script = match connection {
            Connection::Sqlite(_) => migration.sqlite,
            Connection::Postgres(_) => migration.postgres,
        };
        connection.run(script).await?;
    }
    let version = values![instance.to_string(), known];
    tx.execute(&sql::SET_META, version).await?;
    tx.commit().await
}

/// The name of the store that is there, and its version: 0 where nothing is.
async fn standing(
    connection: &mut Connection,
    what: &str,
) -> Result<(Option<InstanceId>, i64), OpenError> {
    let looked = look(connection).await;
    match looked.map_err(|error| unavailable(what, &error.to_string()))? {
        Found::Empty => Ok((None, 0)),
        Found::Foreign => Err(OpenError::Foreign {
            what: what.to_owned(),
        }),
        Found::Store => {
            let (instance, found) = meta(connection, what).await?;
            Ok((Some(instance), found))
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
        let (connection, instance) = migrate(connection, "store", FIRST).await.unwrap();
        drop(connection);

        let broken = [
            MIGRATIONS[0],
            step("CREATE TABLE second (number BIGINT)"),
            step("CREATE TABLE third (number BIGINT); INSERT INTO nowhere VALUES (1)"),
        ];
        let refused = migrate(connect(&path).await, "store", &broken).await;
        assert!(matches!(refused, Err(OpenError::Unavailable { .. })));
        let mut connection = connect(&path).await;
        let found = meta(&mut connection, "store").await.unwrap();
        assert_eq!(found, (instance, 1));

        let mended = [
            MIGRATIONS[0],
            broken[1],
            step("CREATE TABLE third (number BIGINT)"),
        ];
        let (mut connection, same) = migrate(connection, "store", &mended).await.unwrap();
        assert_eq!(same, instance);
        assert_eq!(meta(&mut connection, "store").await.unwrap(), (instance, 3));
        let newer = migrate(connection, "store", FIRST).await;
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
