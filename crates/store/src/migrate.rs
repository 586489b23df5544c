//! The schema's versions: creates the tables in an empty database, and brings older ones up to
//! date, all of it or nothing, in one transaction.
//!
//! Programs of several versions may work on one store side by side: each migration says from which
//! version on. One that older programs can live with is additive: it adds tables (which refer to others
//! with `ON DELETE CASCADE`), indexes, columns with a default, kinds of events, fields of what is written
//! as JSON. What a task asks of its dispatcher beyond what those know stands in its lane, which they then
//! leave alone. A new status, ask, link, report or block kind is not additive, nor is a CHECK or a trigger
//! that an older program's writes could meet.
//!
//! **Invariant:** nothing is written by a program to tables that are not for it any more: each
//! transaction of a writer reads that first ([`Transaction::write_to_store`]), and a migration that shuts
//! programs out waits for those that have read it.

mod shut_out;

use std::path::Path;
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
use shut_out::Step;

/// The script that leads to one version, in the words of each database.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    /// Programs that know this schema version or a later one may work on the tables after it.
    compatible_from: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

/// The first leads to version 1, and so on. Only ever added to; an additive one repeats what the one before
/// it says of older programs.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        compatible_from: 1,
        sqlite: include_str!("../migrations/sqlite/0001_tasks.sql"),
        postgres: include_str!("../migrations/postgres/0001_tasks.sql"),
    },
    Migration {
        compatible_from: 2,
        sqlite: include_str!("../migrations/sqlite/0002_adoption.sql"),
        postgres: include_str!("../migrations/postgres/0002_adoption.sql"),
    },
    Migration {
        compatible_from: 3,
        sqlite: include_str!("../migrations/sqlite/0003_care.sql"),
        postgres: include_str!("../migrations/postgres/0003_care.sql"),
    },
    Migration {
        compatible_from: 4,
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
#[derive(Clone, Debug)]
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
    let known = version(migrations);
    let (store, found) = standing(connection, what, known).await?;
    let is_moving = store.as_ref().is_some_and(|store| store.marker.is_some());
    if store.is_some() && found < known && !is_moving {
        let what = what.to_owned();
        return Err(OpenError::Older { what, found, known });
    }
    Ok(done(store, found, known))
}

/// What is there now, which version its tables have, and which one this program writes.
pub(crate) async fn found_now(
    connection: &mut Connection,
    what: &str,
) -> Result<(Option<Known>, i64, i64), OpenError> {
    let known = version(MIGRATIONS);
    let (store, found) = in_time(what, DEADLINE, standing(connection, what, known)).await?;
    Ok((store, found, known))
}

/// Brings the tables to the last version, from whichever they have; answers with the store's name.
/// Nothing is changed where that is not possible, or where the store is one end of a migration. One
/// that is not there yet gets a name of its own, or begins as a copy of another one. A large store has as
/// long as it needs for it; whoever opens it meanwhile has an answer in time. `file` is the store's, where
/// it is one. Dispatchers that could not go on afterwards keep it from being done.
pub(crate) async fn migrate(
    mut connection: Connection,
    what: &str,
    file: Option<&Path>,
    migrations: &[Migration],
    birth: Option<&Birth>,
) -> Result<(Connection, Known), OpenError> {
    let known = version(migrations);
    let (store, found) = in_time(what, DEADLINE, standing(&mut connection, what, known)).await?;
    if let Some(store) = done(store, found, known) {
        return Ok((connection, store));
    }
    let begun = in_time(what, DEADLINE, async {
        let mut tx = begin(connection)
            .await
            .map_err(|error| kept_waiting(what, found, known, &error))?;
        let standing = standing(tx.connection(), what, known).await?;
        Ok((tx, standing))
    });
    let (mut tx, (store, found)) = begun.await?;
    let instance = store.as_ref().map(|store| store.instance);
    // Another one may have done it meanwhile.
    if let Some(store) = done(store, found, known) {
        let connection = in_time(what, DEADLINE, async {
            tx.rollback().await.map_err(|error| refuse(what, &error))
        });
        return Ok((connection.await?, store));
    }
    let (before, ahead) = migrations.split_at(usize::try_from(found).unwrap_or_default());
    if found > 0 && compatible_from(before) < compatible_from(ahead) {
        let step = Step {
            found,
            known,
            compatible_from: compatible_from(ahead),
        };
        in_time(what, DEADLINE, step.shuts_out_nobody(&mut tx, what, file)).await?;
    }
    let (instance, marker) = match (instance, birth) {
        (Some(instance), _) => (instance, None),
        (None, Some(birth)) => (birth.instance, Some(birth.marker.clone())),
        (None, None) => (InstanceId::random(), None),
    };
    let born = Known { instance, marker };
    let brought = in_time(what, PATIENCE, async {
        bring(tx, what, &born, found, ahead).await
    });
    Ok((brought.await?, born))
}

/// The store that is there, where nothing is to be done to its tables.
fn done(store: Option<Known>, found: i64, known: i64) -> Option<Known> {
    store.filter(|store| store.marker.is_some() || found >= known)
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
    let version = values![
        store.instance.to_string(),
        known,
        compatible_from(migrations)
    ];
    let written = tx.execute(&sql::SET_META, version).await;
    written.map_err(refused)?;
    if let Some(marker) = &store.marker {
        marker.write(&mut tx).await.map_err(refused)?;
    }
    tx.commit().await.map_err(refused)
}

/// The store that is there, and its version: 0 where nothing is. One whose tables are not for this program
/// is refused, unless it is one end of a migration.
async fn standing(
    connection: &mut Connection,
    what: &str,
    known: i64,
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
                Found::Empty | Found::Foreign | Found::Store => {
                    is_for(connection, what, version, known).await?;
                    None
                }
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
pub fn known() -> i64 {
    version(MIGRATIONS)
}

fn version(migrations: &[Migration]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}

/// The oldest schema version whose programs may work on the tables after the last of these.
fn compatible_from(migrations: &[Migration]) -> i64 {
    migrations
        .last()
        .map_or(0, |migration| migration.compatible_from)
}

/// Whether a program that knows a version may work on tables of another one.
async fn is_for(
    connection: &mut Connection,
    what: &str,
    found: i64,
    known: i64,
) -> Result<(), OpenError> {
    if found <= known {
        return Ok(());
    }
    let rows = connection.fetch::<Versions>(&sql::VERSIONS, Vec::new());
    let rows = rows
        .await
        .map_err(|error| unavailable(what, &error.to_string()))?;
    match rows.first() {
        Some(versions) if versions.compatible_from <= known => Ok(()),
        Some(versions) => Err(OpenError::Newer {
            what: what.to_owned(),
            found,
            compatible_from: versions.compatible_from,
            known,
        }),
        None => Err(unavailable(what, "its first table is empty or damaged")),
    }
}

/// Which tables there are, and whose they are, in a store that says so: from version 4 on.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Versions {
    schema_version: i64,
    compatible_from: i64,
}

impl Versions {
    /// Whether this program may write to these tables.
    ///
    /// # Errors
    /// [`Error::Outgrown`].
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.compatible_from <= known() {
            return Ok(());
        }
        Err(Error::Outgrown {
            found: self.schema_version,
            compatible_from: self.compatible_from,
            known: known(),
        })
    }
}

/// The database's words about a store that could not be opened.
pub(crate) fn unavailable(what: &str, problem: &str) -> OpenError {
    OpenError::Unavailable {
        what: what.to_owned(),
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests;
