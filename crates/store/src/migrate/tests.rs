//! What a migration leaves, whom it shuts out, and who may go on beside it; the databases' differences are
//! for the conformance suite.

use std::path::Path;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::*;
use crate::dispatcher::take_lock;
use crate::ids::DispatcherId;
use crate::{Store, StoreUrl};

async fn connect(path: &Path) -> Connection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true);
    Connection::Sqlite(Box::new(options.connect().await.unwrap()))
}

/// Brings a file to the last of these.
async fn bring_to(path: &Path, migrations: &[Migration]) -> Result<Connection, OpenError> {
    let connection = connect(path).await;
    let migrated = migrate(connection, "store", Some(path), migrations, None).await;
    migrated.map(|(connection, _)| connection)
}

/// The migrations there are, and others after them.
fn and_then(steps: &[Migration]) -> Vec<Migration> {
    [MIGRATIONS, steps].concat()
}

/// One that programs of a version, and later ones, can live with.
fn step(compatible_from: i64, sqlite: &'static str) -> Migration {
    Migration {
        compatible_from,
        sqlite,
        postgres: sqlite,
    }
}

/// One that those can live with which can live with what there is.
fn additive() -> Migration {
    step(
        compatible_from(MIGRATIONS),
        "ALTER TABLE tasks ADD COLUMN budget BIGINT",
    )
}

/// One that nobody can live with who does not know it.
fn cutting(known: i64) -> Migration {
    step(known, "ALTER TABLE tasks RENAME COLUMN body TO text")
}

/// A place for a store.
fn place() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenure.db");
    (folder, path)
}

#[tokio::test]
async fn an_interrupted_migration_leaves_nothing_of_itself() {
    let (_folder, path) = place();
    let mut connection = bring_to(&path, MIGRATIONS).await.unwrap();
    let (instance, _) = meta(&mut connection, "store").await.unwrap();
    drop(connection);

    let known = known();
    let second = step(known + 1, "CREATE TABLE second (number BIGINT)");
    let third = step(known + 2, "CREATE TABLE third (number BIGINT)");
    let broken = step(
        known + 2,
        "CREATE TABLE third (number BIGINT); INSERT INTO nowhere VALUES (1)",
    );
    let refused = bring_to(&path, &and_then(&[second, broken])).await;
    assert!(matches!(refused, Err(OpenError::Unavailable { .. })));
    let mut connection = connect(&path).await;
    let found = meta(&mut connection, "store").await.unwrap();
    assert_eq!(found, (instance, known));

    let mended = bring_to(&path, &and_then(&[second, third])).await;
    let found = meta(&mut mended.unwrap(), "store").await.unwrap();
    assert_eq!(found, (instance, known + 2));
}

#[test]
fn each_migration_says_who_can_live_with_it_and_none_takes_that_back() {
    let mut before = 0;
    for (version, migration) in (1..).zip(MIGRATIONS) {
        let from = migration.compatible_from;
        assert!(
            (before..=version).contains(&from),
            "version {version}: {from} after {before}"
        );
        before = from;
    }
}

#[tokio::test]
async fn an_older_program_works_on_after_an_additive_migration_and_on_nothing_else() {
    let (_folder, path) = place();
    let older = Store::open(&StoreUrl::Sqlite(path.clone())).await.unwrap();
    older.write_nothing().await.unwrap();
    let lock = take_lock(&path).await.unwrap().unwrap();
    let known = known();

    // Beside a dispatcher of the older version, which goes on, as another one may begin.
    bring_to(&path, &and_then(&[additive()])).await.unwrap();
    older.write_nothing().await.unwrap();
    let mut connection = bring_to(&path, MIGRATIONS).await.unwrap();
    let (_, version) = meta(&mut connection, "store").await.unwrap();
    assert_eq!(version, known + 1, "an older program took it back");

    drop(lock);
    let cut = and_then(&[additive(), cutting(known + 2)]);
    bring_to(&path, &cut).await.unwrap();
    let outgrown = older.write_nothing().await.unwrap_err();
    match outgrown {
        Error::Outgrown {
            found,
            compatible_from,
            known: ours,
        } => assert_eq!(
            (found, compatible_from, ours),
            (known + 2, known + 2, known)
        ),
        other => panic!("{other:?}"),
    }
    match bring_to(&path, MIGRATIONS).await {
        Err(OpenError::Newer {
            found,
            compatible_from,
            known: ours,
            ..
        }) => assert_eq!(
            (found, compatible_from, ours),
            (known + 2, known + 2, known)
        ),
        other => panic!("{other:?}"),
    }
    // One that knows the version before lives with an additive one after it.
    let again = and_then(&[additive(), cutting(known + 2), step(known + 2, "SELECT 1")]);
    bring_to(&path, &again).await.unwrap();
    bring_to(&path, &cut).await.unwrap();
}

#[tokio::test]
async fn nobody_is_shut_out_who_lives() {
    let (_folder, path) = place();
    let mut connection = bring_to(&path, &and_then(&[additive()])).await.unwrap();
    let known = known();
    for (id, knows) in [
        (DispatcherId::random(), known),
        (DispatcherId::random(), known + 1),
    ] {
        let row = values![id, knows];
        let publish = sql::Statement {
            name: "a dispatcher",
            sqlite:
                "INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version,
                         slots, profiles, started_at, seen_at, schema_version)
                     VALUES ($1, '', 'behind' || $2, '', 7, '', '0.0.9', 1, '[]', 0, 1, $2)",
            postgres: "",
        };
        connection.execute(&publish, row).await.unwrap();
    }
    drop(connection);
    let lock = take_lock(&path).await.unwrap().unwrap();
    for (version, expected) in [
        // Everybody there knows that one.
        (known, vec![]),
        (known + 1, vec![known]),
        (known + 2, vec![known, known + 1]),
    ] {
        let next = and_then(&[additive(), step(version, "SELECT 1")]);
        let (_copies, copy) = place();
        std::fs::copy(&path, &copy).unwrap();
        let _held = take_lock(&copy).await.unwrap().unwrap();
        let shown = match bring_to(&copy, &next).await {
            Err(refused @ OpenError::ShutsOut { .. }) => refused.to_string(),
            Err(other) => panic!("{other:?}"),
            Ok(_) => String::new(),
        };
        for knows in [known, known + 1] {
            let is_named = shown.contains(&format!("on behind{knows} (tenure 0.0.9, pid 7"));
            assert_eq!(is_named, expected.contains(&knows), "{version}: {shown}");
        }
    }
    // The lock is all that tells a living one from a dead one here.
    drop(lock);
    let next = and_then(&[additive(), cutting(known + 2)]);
    bring_to(&path, &next).await.unwrap();
}
