//! The schema's versions: creates the tables in an empty database, and brings older ones up to
//! date, all of it or nothing, in one transaction.

use sqlx::FromRow;

use crate::clock::Clock;
use crate::connection::Connection;
use crate::copy::{Birth, Marker};
use crate::error::{Error, OpenError};
use crate::ids::InstanceId;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

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

/// A large table takes its time; whoever waits for all of it has a limit of its own.
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

/// A store whose tables are just right for this version; nothing where there is none yet.
pub(crate) async fn current(
    connection: &mut Connection,
    what: &str,
    migrations: &[Migration],
) -> Result<Option<Known>, OpenError> {
    let looked = look(connection).await;
    match looked.map_err(|error| unavailable(what, &error.to_string()))? {
        Found::Empty => return Ok(None),
        Found::Foreign => {
            return Err(OpenError::Foreign {
                what: what.to_owned(),
            });
        }
        Found::Moving => return moving(connection, what).await.map(Some),
        Found::Store => {}
    }
    let (instance, found) = meta(connection, what).await?;
    let known = version(migrations);
    if found < known {
        let what = what.to_owned();
        return Err(OpenError::Older { what, found, known });
    }
    not_newer(what, found, known)?;
    let marker = None;
    Ok(Some(Known { instance, marker }))
}

/// Which version the tables of a store have, and which one this program writes.
pub(crate) async fn versions(
    connection: &mut Connection,
    what: &str,
) -> Result<(i64, i64), OpenError> {
    let (_, found) = meta(connection, what).await?;
    Ok((found, version(MIGRATIONS)))
}

/// What a store is, whichever version its tables have.
pub(crate) async fn known(connection: &mut Connection, what: &str) -> Result<Known, OpenError> {
    let looked = look(connection).await;
    match looked.map_err(|error| unavailable(what, &error.to_string()))? {
        Found::Moving => moving(connection, what).await,
        Found::Store | Found::Empty | Found::Foreign => {
            let (instance, _) = meta(connection, what).await?;
            let marker = None;
            Ok(Known { instance, marker })
        }
    }
}

/// Which end of which migration a store is.
async fn moving(connection: &mut Connection, what: &str) -> Result<Known, OpenError> {
    let (instance, _) = meta(connection, what).await?;
    let marker = Marker::read(connection).await;
    let marker = marker.map_err(|error| unavailable(what, &error.to_string()))?;
    Ok(Known {
        instance,
        marker: Some(marker),
    })
}

/// Brings the tables to the last version, from whichever they have; answers with the store's name.
/// Nothing is changed where that is not possible, or where the store is one end of a migration. One
/// that is not there yet gets a name of its own, or begins as a copy of another one.
pub(crate) async fn migrate(
    connection: Connection,
    what: &str,
    migrations: &[Migration],
    birth: Option<&Birth>,
) -> Result<(Connection, Known), OpenError> {
    let refuse = |error: Error| refuse(what, &error);
    let mut tx = Transaction::write(connection, &Clock::Database)
        .await
        .map_err(refuse)?;
    tx.number(&sql::LOCK_SCHEMA, Vec::new())
        .await
        .map_err(refuse)?;
    let connection = tx.connection();
    let looked = look(connection).await;
    let (instance, found) = match looked.map_err(|error| unavailable(what, &error.to_string()))? {
        Found::Empty => (birth.map_or_else(InstanceId::random, |b| b.instance), 0),
        Found::Foreign => {
            return Err(OpenError::Foreign {
                what: what.to_owned(),
            });
        }
        Found::Moving => {
            let known = moving(connection, what).await?;
            return Ok((tx.rollback().await.map_err(refuse)?, known));
        }
        Found::Store => meta(connection, what).await?,
    };
    let known = version(migrations);
    not_newer(what, found, known)?;
    if found < known {
        if let Connection::Postgres(_) = connection {
            let lifted = connection.run(UNLIMITED).await;
            lifted.map_err(|error| unavailable(what, &error.to_string()))?;
        }
        let done = usize::try_from(found).unwrap_or_default();
        for migration in &migrations[done..] {
            let script = match connection {
                Connection::Sqlite(_) => migration.sqlite,
                Connection::Postgres(_) => migration.postgres,
            };
            let ran = connection.run(script).await;
            ran.map_err(|error| unavailable(what, &error.to_string()))?;
        }
        tx.execute(&sql::SET_META, values![instance.to_string(), known])
            .await
            .map_err(refuse)?;
    }
    let marker = birth.filter(|_| found == 0).map(|birth| &birth.marker);
    if let Some(marker) = marker {
        marker.write(&mut tx).await.map_err(refuse)?;
    }
    let connection = tx.commit().await.map_err(refuse)?;
    let marker = marker.cloned();
    Ok((connection, Known { instance, marker }))
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

/// What was refused while a store was opened.
pub(crate) fn refuse(what: &str, error: &Error) -> OpenError {
    if let Error::Unavailable(problem) = error {
        // The rest of its words are ours, too.
        return unavailable(what, problem);
    }
    unavailable(what, &error.to_string())
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
