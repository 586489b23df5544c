//! Opening a store: what is refused is left exactly as it was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tenure_store::life::TaskStatus;
use tenure_store::{Error, OpenError, Store, StoreUrl};

use crate::world::{World, on_both, task};

on_both!(
    a_store_keeps_its_name_and_its_tasks,
    a_store_of_a_newer_version_that_is_not_for_us_is_refused,
    eight_that_open_a_new_store_at_once_open_the_same_one,
);

pub async fn execute(url: &StoreUrl, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    match url {
        StoreUrl::Sqlite(path) => {
            let url = format!("sqlite://{}?mode=rwc", path.display());
            let mut connection = SqliteConnection::connect(&url).await.unwrap();
            connection.execute(sqlx::raw_sql(statement)).await.unwrap();
            connection.close().await.unwrap();
        }
        StoreUrl::Postgres(url) => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            connection.execute(sqlx::raw_sql(statement)).await.unwrap();
        }
    }
}

async fn a_store_keeps_its_name_and_its_tasks(world: World) {
    let id = world.add(task()).await;
    let again = Store::open_existing(&world.url).await.unwrap().unwrap();
    assert_eq!(again.instance(), world.store.instance());
    assert_eq!(again.show(id).await.unwrap().task.status, TaskStatus::Ready);
    again
        .comment(id, "me".into(), "written by it".into())
        .await
        .unwrap();
    again.check_file().await.unwrap();
}

async fn a_store_of_a_newer_version_that_is_not_for_us_is_refused(world: World) {
    let schema = world.number("SELECT schema_version FROM store").await;
    execute(
        &world.url,
        "UPDATE store SET schema_version = schema_version + 2, compatible_from = schema_version + 1",
    )
    .await;
    for refused in [
        Store::open(&world.url).await.map(|_| ()),
        Store::open_existing(&world.url).await.map(|_| ()),
    ] {
        match refused {
            Err(error @ OpenError::Newer { .. }) => {
                let shown = error.to_string();
                for word in [
                    format!("has schema version {}", schema + 2),
                    format!("know {} or later", schema + 1),
                    format!("knows {schema} at most"),
                    "install on this host the newer tenure".to_owned(),
                ] {
                    assert!(shown.contains(&word), "{word}: {shown}");
                }
            }
            other => panic!("{other:?}"),
        }
    }
    execute(&world.url, "UPDATE store SET schema_version = 0").await;
    match Store::open_existing(&world.url).await {
        Err(OpenError::Older {
            found: 0, known, ..
        }) => assert_eq!(known, schema),
        other => panic!("{other:?}"),
    }
}

async fn eight_that_open_a_new_store_at_once_open_the_same_one(world: World) {
    let url = match &world.url {
        StoreUrl::Sqlite(_) => StoreUrl::Sqlite(world.folder().join("new/folder/tenure.db")),
        StoreUrl::Postgres(_) => match tenure_tests::postgres::database() {
            Some(url) => StoreUrl::Postgres(url),
            None => return,
        },
    };
    let mut openers = Vec::new();
    for _ in 0..8 {
        let url = url.clone();
        openers.push(tokio::spawn(async move { Store::open(&url).await }));
    }
    let mut names = Vec::new();
    for opener in openers {
        names.push(opener.await.unwrap().unwrap().instance());
    }
    names.dedup();
    assert_eq!(names.len(), 1);
}

/// What the version before last knew, and a task in it.
const OLDER: [&str; 2] = [
    include_str!("../../crates/store/migrations/postgres/0001_tasks.sql"),
    include_str!("../../crates/store/migrations/postgres/0002_adoption.sql"),
];
const TASK: &str = "INSERT INTO tasks (title, body, assignee, command, cwd, env, skills, limits,
        priority, status, pending_parents, created_at, updated_at)
    VALUES ('t', '', 'shell', '[\"true\"]', '/', '{}', '[]', '{}', 0, 'ready', 0, 0, 0)";

#[tokio::test]
async fn a_migration_takes_as_long_as_it_takes_and_others_have_an_answer_meanwhile() {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let url = StoreUrl::Postgres(url);
    let name = "00000000-0000-4000-8000-000000000000";
    for statement in OLDER {
        execute(&url, statement).await;
    }
    execute(&url, TASK).await;
    execute(&url, &format!("INSERT INTO store VALUES (1, '{name}', 2)")).await;
    // One task that takes as long as millions, and longer than all of an opening may.
    execute(
        &url,
        "CREATE FUNCTION tarry() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN PERFORM pg_sleep(13); RETURN NEW; END';
         CREATE TRIGGER tarry BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION tarry()",
    )
    .await;
    let migrating = url.clone();
    let migrating = tokio::spawn(async move { Store::open(&migrating).await });
    let StoreUrl::Postgres(address) = &url else {
        panic!("a server")
    };
    let mut looking = PgConnection::connect(address).await.unwrap();
    let sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while looking.fetch_optional(sleeping).await.unwrap().is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let waited = Store::open(&url).await.expect_err("it has to wait");
    let shown = waited.to_string();
    assert!(matches!(waited, OpenError::Unavailable { .. }), "{shown}");
    assert!(
        shown.contains("version 2") && shown.contains("try again"),
        "{shown}"
    );
    let read = Store::open_existing(&url).await;
    assert!(
        matches!(read, Err(OpenError::Older { found: 2, .. })),
        "{read:?}"
    );
    assert!(!migrating.is_finished(), "nobody had to wait");
    let store = migrating.await.unwrap().unwrap();
    assert_eq!(store.instance().to_string(), name);
    let again = Store::open(&url).await.unwrap();
    assert_eq!(
        again
            .show(tenure_guard::TaskId(1))
            .await
            .unwrap()
            .task
            .status,
        TaskStatus::Ready
    );
}

#[tokio::test]
async fn a_file_whose_tables_another_one_brings_up_to_date_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenure.db");
    let url = StoreUrl::Sqlite(path.clone());
    drop(Store::open(&url).await.unwrap());
    execute(&url, "UPDATE store SET schema_version = 2").await;
    let address = format!("sqlite://{}", path.display());
    let mut migrating = SqliteConnection::connect(&address).await.unwrap();
    migrating.execute("BEGIN IMMEDIATE").await.unwrap();
    let waited = Store::open(&url).await.expect_err("it has to wait");
    let shown = waited.to_string();
    assert!(
        shown.contains("version 2") && shown.contains("try again"),
        "{shown}"
    );
    // Who finds nothing to do waits for nobody who writes.
    migrating.execute("ROLLBACK").await.unwrap();
    let newest = "UPDATE store SET schema_version = schema_version + 2";
    execute(&url, newest).await;
    migrating.execute("BEGIN IMMEDIATE").await.unwrap();
    Store::open(&url).await.unwrap();
}

/// Every file of a folder with its content: what must not change.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut content = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            content.extend(self::content(&path));
        } else {
            content.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    content
}

/// Opens a path both ways; both must be refused, and leave everything as it was.
async fn refused(folder: &TempDir, path: &Path) -> [OpenError; 2] {
    let url = StoreUrl::Sqlite(path.to_owned());
    let before = content(folder.path());
    let to_write = Store::open(&url).await.expect_err("it is refused");
    let to_read = Store::open_existing(&url).await.expect_err("it is refused");
    assert_eq!(content(folder.path()), before, "something was changed");
    [to_write, to_read]
}

#[tokio::test]
async fn a_folder_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let [to_write, to_read] = refused(&folder, folder.path()).await;
    for error in [to_write, to_read] {
        assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
        let shown = error.to_string();
        assert!(shown.contains("tenure.db"), "{shown}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("notes.txt", "a few words\n".repeat(999)),
        ("short", "x".into()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        for error in refused(&folder, &path).await {
            assert!(matches!(error, OpenError::NoDatabase { .. }), "{error:?}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let url = StoreUrl::Sqlite(path.clone());
    execute(
        &url,
        "CREATE TABLE store (mine TEXT); PRAGMA journal_mode = WAL",
    )
    .await;
    for error in refused(&folder, &path).await {
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_with_tables_of_another_program_is_refused() {
    for table in [
        "CREATE TABLE things (mine TEXT)",
        "CREATE TABLE store (mine TEXT)",
    ] {
        let Some(url) = tenure_tests::postgres::database() else {
            return;
        };
        let url = StoreUrl::Postgres(url);
        assert!(Store::open_existing(&url).await.unwrap().is_none());
        execute(&url, table).await;
        for refused in [
            Store::open(&url).await.map(|_| ()),
            Store::open_existing(&url).await.map(|_| ()),
        ] {
            assert!(
                matches!(refused, Err(OpenError::Foreign { .. })),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn reading_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["tenure.db", "not/there/tenure.db"] {
        let url = StoreUrl::Sqlite(folder.path().join(path));
        assert!(Store::open_existing(&url).await.unwrap().is_none());
    }
    assert!(content(folder.path()).is_empty());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_empty_file_becomes_a_store_when_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenure.db");
    fs::write(&path, "").unwrap();
    let url = StoreUrl::Sqlite(path);
    assert!(Store::open_existing(&url).await.unwrap().is_none());
    let store = Store::open(&url).await.unwrap();
    store.add(task()).await.unwrap();
}

#[tokio::test]
async fn a_new_store_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/tenure/tenure.db");
    let store = Store::open(&StoreUrl::Sqlite(path.clone())).await.unwrap();
    store.add(task()).await.unwrap();
    store.hold().await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(path.parent().unwrap().parent().unwrap()), 0o700);
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("tenure.db"), "{name} was left behind");
    }
}

#[tokio::test]
async fn what_is_written_survives_as_the_contract_says() {
    let world = World::sqlite().await;
    let pragma = |statement| world.number(statement);
    assert_eq!(
        pragma("SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'").await,
        1
    );
    assert_eq!(pragma("PRAGMA application_id").await, 1_952_804_469);
}

#[tokio::test]
async fn a_file_that_was_replaced_or_removed_is_noticed() {
    let world = World::sqlite().await;
    let StoreUrl::Sqlite(path) = &world.url else {
        panic!("a file")
    };
    world.store.check_file().await.unwrap();
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).unwrap();
    let removed = world.store.check_file().await.unwrap_err();
    assert!(removed.to_string().contains("removed"), "{removed}");
    fs::copy(&aside, path).unwrap();
    let replaced = world.store.check_file().await.unwrap_err();
    assert!(matches!(&replaced, Error::Unavailable(why) if why.contains("replaced")));
    fs::remove_file(path).unwrap();
    fs::rename(&aside, path).unwrap();
    world.store.check_file().await.unwrap();
}

/// The part of a test that must run as somebody who may not write: `nobody`, where this is root.
const READ_ONLY_PATH: &str = "TENURE_TEST_READ_ONLY_STORE";

#[tokio::test]
#[ignore = "run by `a_read_only_store_is_refused`, as another user"]
async fn as_somebody_who_may_not_write() {
    let path = PathBuf::from(std::env::var(READ_ONLY_PATH).unwrap());
    let refused = Store::open(&StoreUrl::Sqlite(path.clone())).await;
    let error = refused.expect_err("it is refused");
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    assert!(
        error.to_string().contains("tenure.db cannot be written"),
        "{error}"
    );
    if fs::File::create(path.with_file_name("probe")).is_ok() {
        fs::remove_file(path.with_file_name("probe")).unwrap();
        return;
    }
    let missing = path.with_file_name("another.db");
    let refused = Store::open(&StoreUrl::Sqlite(missing)).await;
    let error = refused.expect_err("it is refused");
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn a_read_only_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store_folder = folder.path().join("store");
    let path = store_folder.join("tenure.db");
    let url = StoreUrl::Sqlite(path.clone());
    Store::open(&url).await.unwrap().add(task()).await.unwrap();
    // Without the log that the last connection may still be folding in.
    let alone = || fs::read_dir(&store_folder).unwrap().count() == 1;
    wait_until(alone).await;
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    for (file, of_folder) in [(0o444, 0o777), (0o666, 0o555)] {
        set(folder.path(), 0o755).unwrap();
        set(&path, file).unwrap();
        set(&store_folder, of_folder).unwrap();
        let before = content(&store_folder);
        // The test program where others may execute it.
        let program = folder.path().join("conformance");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        set(&program, 0o755).unwrap();
        let mut command = Command::new(&program);
        if root {
            std::os::unix::process::CommandExt::uid(&mut command, 65534);
        }
        let output = command
            .args([
                "--exact",
                "--ignored",
                "opening::as_somebody_who_may_not_write",
            ])
            .env(READ_ONLY_PATH, &path)
            .current_dir("/")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        assert_eq!(content(&store_folder), before);
        set(&store_folder, 0o755).unwrap();
    }
}

/// Waits for a fact.
async fn wait_until(fact: impl Fn() -> bool) {
    for _ in 0..1000 {
        if fact() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it did not happen");
}

#[tokio::test]
async fn a_store_that_is_away_is_said_to_be_without_its_password() {
    let url: StoreUrl = "postgres://tenure:secret@127.0.0.1:1/tenure"
        .parse()
        .unwrap();
    let error = Store::open(&url).await.expect_err("nobody listens there");
    let shown = format!("{error} {error:?}");
    assert!(matches!(error, OpenError::Unavailable { .. }), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
}
