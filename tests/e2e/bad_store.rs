//! A store that cannot be used is named and left as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::unistd::Uid;
use tenure_tests::{Home, Said, program};

/// What every verb that needs a store says about one that it cannot use.
#[track_caller]
fn refused(home: &Home, db: &str, mentions: &[&str]) {
    for verb in [
        &["add", "--db", db, "--", "true"][..],
        &["list", "--db", db],
        &["serve", "--db", db],
    ] {
        let _ = home.tenure(verb).with_code(1).mentions(mentions);
    }
}

/// Everything in a folder, with the files' contents.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (
                path.display().to_string(),
                fs::read(&path).unwrap_or_default(),
            )
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_folder_is_no_store() {
    let home = Home::new();
    fs::create_dir(home.work().join("folder")).unwrap();
    refused(
        &home,
        &home.at("folder"),
        &[&home.at("folder"), "tenure.db"],
    );
    assert!(contents(&home.work().join("folder")).is_empty());
}

#[test]
fn a_file_that_is_no_database_is_left_as_it_is() {
    let home = Home::new();
    home.write("work/notes.txt", &"my dear diary\n".repeat(1000));
    let before = contents(&home.work());
    refused(
        &home,
        &home.at("notes.txt"),
        &[&home.at("notes.txt"), "no SQLite database"],
    );
    assert_eq!(contents(&home.work()), before);
}

#[test]
fn a_database_of_another_program_is_left_as_it_is() {
    let home = Home::new();
    sql(
        &home.at("other.db"),
        "CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup')",
    );
    let before = contents(&home.work());
    refused(
        &home,
        &home.at("other.db"),
        &[&home.at("other.db"), "another program"],
    );
    assert_eq!(contents(&home.work()), before);
}

#[test]
fn a_store_of_a_newer_version_is_refused_with_both_versions() {
    let home = Home::new();
    let db = home.at("store.db");
    let _ = home.tenure(&["add", "--db", &db, "--", "true"]).ok();
    sql(
        &db,
        "UPDATE store SET schema_version = 4711, compatible_from = 4711",
    );
    refused(&home, &db, &[&db, "4711", "newer"]);
}

#[test]
fn a_store_that_grows_at_this_moment_is_not_taken_for_a_broken_one() {
    let home = Home::new();
    home.add(&[], &["exit", "0"]);
    let db = home.state().join("tenure.db").display().to_string();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..100 {
                sql(
                    &db,
                    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) \
                     INSERT INTO comments (task_id, author, text, created_at) \
                     SELECT 1, 'a test', hex(zeroblob(2000)), 0 FROM n; \
                     PRAGMA wal_checkpoint(PASSIVE)",
                );
            }
        });
        while !writer.is_finished() {
            let listed = home.tenure(&["list", "--json"]).ok().json();
            assert_eq!(listed.as_array().unwrap().len(), 1);
        }
    });
}

#[test]
fn a_store_that_cannot_be_written_says_whose_permission_is_missing() {
    let home = Home::new();
    let _ = home.tenure(&["add", "--", "true"]).ok();
    let db = home.state().join("tenure.db");
    // Root may write everything, so somebody else tries; the program is copied to where they may.
    let copy = home.path().join("tenure-e2e");
    fs::copy(program::tenure(), &copy).unwrap();
    let readable = fs::Permissions::from_mode(0o755);
    for folder in [".", ".local", ".local/state", ".local/state/tenure"] {
        fs::set_permissions(home.path().join(folder), readable.clone()).unwrap();
    }
    fs::set_permissions(&db, fs::Permissions::from_mode(0o444)).unwrap();
    if !Uid::effective().is_root() {
        fs::set_permissions(home.state(), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let before = fs::read(&db).unwrap();
    for verb in [&["add", "--", "true"][..], &["serve"]] {
        let mut command = std::process::Command::new(&copy);
        command
            .args(verb)
            .env_clear()
            .env("HOME", home.path())
            .env("PATH", tenure_tests::home::PATH)
            .current_dir("/");
        if Uid::effective().is_root() {
            const NOBODY: u32 = 65534;
            command.uid(NOBODY).gid(NOBODY);
        }
        let _ = Said::by(&mut command)
            .with_code(1)
            .mentions(&["tenure.db", "cannot be written"]);
    }
    assert_eq!(fs::read(&db).unwrap(), before);
    fs::set_permissions(home.state(), readable).unwrap();
}

#[test]
fn a_server_that_is_not_there_is_named_without_its_password() {
    let home = Home::new();
    let db = "postgres://user:hunter2@127.0.0.1:1/nowhere";
    let mut command = home.command(&["list"]);
    let said = Said::by(command.env("TENURE_DB", db)).with_code(75);
    assert!(said.err.contains("127.0.0.1"), "{said}");
    assert!(
        !said.err.contains("hunter2"),
        "a password was shown: {}",
        said.err
    );
}

#[test]
fn who_is_kept_from_writing_learns_by_which_process() {
    let home = Home::new();
    home.add(&[], &["exit", "0"]);
    let locked = home.lock_store();
    let process = format!("process {} (", std::process::id());
    for verb in [&["add", "--", "true"][..], &["cancel", "1"]] {
        let _ = home.tenure(verb).with_code(75).mentions(&[
            "did not answer",
            &process,
            "has it locked",
            "try again",
        ]);
    }
    let _ = home.tenure(&["show", "1"]).ok();
    drop(locked);
    let _ = home.tenure(&["cancel", "1"]).ok();
}

/// Runs statements on a SQLite file of anybody's.
fn sql(path: &str, statements: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        use sqlx::{ConnectOptions, Connection, Executor};
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        connection.execute(statements).await.unwrap();
        connection.close().await.unwrap();
    });
}
