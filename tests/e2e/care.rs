//! Care of the store: clearing away what is old, and copies of it.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tenure_tests::home::{event_kinds, mode, outcomes, runs};
use tenure_tests::{Database, Home, postgres, wait_until};

on_both!(
    what_is_old_is_cleared_away_beside_a_living_dispatcher_and_nothing_else,
    a_dry_run_says_just_what_would_go_and_of_each_thing_once,
    what_is_young_stays_by_default,
);

fn amount(said: &Value, kind: &str) -> u64 {
    said[kind]["count"].as_u64().expect("gc counts")
}

fn what_is_old_is_cleared_away_beside_a_living_dispatcher_and_nothing_else(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let done = home.add(&[], &["print", "precious words", "exit", "0"]);
    home.until(done, "done");
    let failed = home.add(&["--max-failures", "1"], &["print", "why", "exit", "1"]);
    home.until(failed, "blocked");
    let (began, go) = (home.at("began"), home.at("go"));
    let steps = ["append", &began, "{pid}", "wait-for", &go, "exit", "0"];
    let running = home.add(&[], &steps);
    home.until_written("began");
    let log = |task: i64| {
        home.show(task)["runs"][0]["log"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let folder = fs::canonicalize(log(done))
        .unwrap()
        .parent()
        .unwrap()
        .to_owned();
    let short = folder.parent().unwrap().parent().unwrap().join("dead.sock");
    drop(UnixListener::bind(&short).unwrap());
    let status = Command::new("touch")
        .args(["-d", "1 hour ago"])
        .arg(&short)
        .status();
    assert!(status.unwrap().success());

    let ages = ["gc", "--events-older", "0s", "--logs-older", "0s", "--json"];
    let dry = home
        .tenure(&[&ages[..], &["--dry-run"]].concat())
        .ok()
        .json();
    assert_eq!(amount(&dry, "run_folders"), 1, "{dry}");
    assert!(dry["run_folders"]["bytes"].as_u64().unwrap() > 0, "{dry}");
    assert!(folder.join("log").exists() && short.exists());
    assert!(!event_kinds(&home.show(done)).is_empty());

    let gone = home.tenure(&ages).ok().json();
    assert_eq!(amount(&gone, "run_folders"), 1, "{gone}");
    assert!(amount(&gone, "sockets") >= 1, "{gone}");
    assert_eq!(gone["problems"], serde_json::json!([]), "{gone}");
    assert!(!folder.exists() && !short.exists());
    assert!(event_kinds(&home.show(done)).is_empty());
    let _ = home
        .tenure(&["log", &done.to_string()])
        .with_code(3)
        .mentions(&["cleared"]);
    for kept in [failed, running] {
        assert!(!event_kinds(&home.show(kept)).is_empty());
        assert!(fs::exists(log(kept)).unwrap());
    }
    let told = home.tenure(&["events", "--kind", "cleared", "--json"]).ok();
    assert_eq!(told.json_lines().len(), 1, "{}", told.out);
    home.touch("go");
    home.until(running, "done");
}

fn a_dry_run_says_just_what_would_go_and_of_each_thing_once(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    for title in ["kept", "put away", "put away, too"] {
        let id = home.add(&["--title", title], &["exit", "0"]);
        home.until(id, "done");
        if title != "kept" {
            let _ = home.tenure(&["archive", &id.to_string()]).ok();
        }
    }
    // Of those that go with their task some are younger than those that go by their age.
    for events in ["30d", "0s"] {
        let ages = ["--events-older", events, "--logs-older", "0s"];
        let rest = ["--archived-older", "0s", "--json"];
        let gc = [&["gc"][..], &ages[..], &rest[..]].concat();
        let dry = home.tenure(&[&gc[..], &["--dry-run"]].concat()).ok();
        let (dry, gone) = (dry.json(), home.tenure(&gc).ok().json());
        for kind in ["events", "run_folders", "tasks"] {
            assert_eq!(dry[kind], gone[kind], "{kind}: {dry} {gone}");
        }
        let expected = if events == "30d" {
            [10, 3, 2]
        } else {
            [5, 0, 0]
        };
        let found = ["events", "run_folders", "tasks"].map(|kind| amount(&gone, kind));
        assert_eq!(found, expected, "{gone}");
    }
}

fn what_is_young_stays_by_default(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let done = home.add(&[], &["exit", "0"]);
    let before = home.until(done, "done");
    let said = home.tenure(&["gc"]).ok();
    assert!(
        said.out.contains("cleared away 0 run folders"),
        "{}",
        said.out
    );
    assert_eq!(home.show(done)["events"], before["events"]);
    let _ = home
        .tenure(&["gc", "--logs-older", "30"])
        .with_code(2)
        .mentions(&["30d"]);
}

#[test]
fn a_backup_is_a_whole_store_while_everything_goes_on() {
    let home = Home::new();
    let mut dispatcher = home.serve();
    let first = home.add(&[], &["exit", "0"]);
    home.until(first, "done");
    let mut busy = home
        .command(&["run", "many.toml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn_after_writing(&home);
    let mut copies = Vec::new();
    for name in ["one.db", "two.db", "three.db"] {
        let said = home.tenure(&["backup", name, "--json"]).ok().json();
        assert!(said["tasks"].as_i64().unwrap() >= 1, "{said}");
        copies.push(home.work().join(name));
    }
    assert!(busy.wait().unwrap().success());
    for copy in &copies {
        assert_eq!(mode(copy), 0o600);
        let db = copy.display().to_string();
        let all = home.tenure(&["--db", &db, "list", "--all", "--json"]).ok();
        assert!(!all.json().as_array().unwrap().is_empty());
    }
    let _ = home
        .tenure(&["backup", "one.db"])
        .with_code(4)
        .mentions(&["there already"]);
    let names = |name: &str| fs::exists(home.work().join(name)).unwrap();
    assert!(!names("one.db.partial") && !names("one.db-wal"));

    // Put back, it is a store of the past: the folders of later runs are noticed, not used again.
    dispatcher.crash();
    let store = home.state().join("tenure.db");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", store.display()));
    }
    fs::copy(&copies[0], &store).unwrap();
    let mut dispatcher = home.serve();
    let task = home.add(&["--priority", "100"], &["exit", "0"]);
    wait_until("the older store is noticed", || {
        let shown = home.show(task);
        let reasons = runs(&shown).iter().filter_map(|run| run["reason"].as_str());
        let noticed = reasons.map(|reason| reason.contains("put back to an older state"));
        noticed.max().filter(|noticed| *noticed)
    });
    dispatcher.crash();
    let stores = fs::read_dir(home.state().join("stores")).unwrap();
    for folder in stores.flatten().map(|entry| entry.path()) {
        fs::rename(folder.join("runs"), folder.join("runs.before")).unwrap();
    }
    let _dispatcher = home.serve();
    let shown = home.until(task, "done");
    let outcomes = outcomes(&shown);
    assert_eq!(outcomes[0], "never_started", "{outcomes:?}");
    assert_eq!(outcomes.last(), Some(&"completed"), "{outcomes:?}");
}

trait SpawnAfterWriting {
    fn spawn_after_writing(&mut self, home: &Home) -> std::process::Child;
}

impl SpawnAfterWriting for Command {
    /// With forty tasks to be done.
    fn spawn_after_writing(&mut self, home: &Home) -> std::process::Child {
        let file = "[[task]]\ncommand = ['true']\n".repeat(40);
        home.write("work/many.toml", &file);
        self.spawn().unwrap()
    }
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_under_the_name() {
    let home = Home::new();
    let file = "[[task]]\ncommand = ['true']\nbody = 'BODY'\n"
        .replace("BODY", &"x".repeat(20_000))
        .repeat(400);
    home.write("work/many.toml", &file);
    let _ = home.tenure(&["submit", "many.toml"]).ok();
    let copy = home.work().join("copy.db");
    let mut killed = 0;
    for pause in [5, 10, 20, 30, 40, 60] {
        let mut backup = home
            .command(&["backup", "copy.db"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        // By its handle.
        let _ = backup.kill();
        if backup.wait().unwrap().success() {
            break;
        }
        killed += 1;
        if fs::exists(&copy).unwrap() {
            // It has its name only when it is whole.
            break;
        }
    }
    assert!(killed > 0, "no backup was killed");
    if !fs::exists(&copy).unwrap() {
        let _ = home.tenure(&["backup", "copy.db"]).ok();
    }
    let db = copy.display().to_string();
    let all = home.tenure(&["--db", &db, "list", "--json"]).ok().json();
    assert_eq!(all.as_array().unwrap().len(), 400);
}

#[test]
fn a_servers_store_is_backed_up_by_the_servers_own_tools() {
    let Some(url) = postgres::database() else {
        return;
    };
    let home = Home::on(&url, "");
    home.add(&[], &["exit", "0"]);
    let _ = home
        .tenure(&["backup", "x.db"])
        .with_code(4)
        .mentions(&["pg_dump", "x.db"]);
    assert!(!fs::exists(home.work().join("x.db")).unwrap());
}

#[test]
fn without_a_store_there_is_nothing_to_back_up_or_to_clear_away() {
    let home = Home::new();
    let _ = home
        .tenure(&["backup", "x.db"])
        .with_code(4)
        .mentions(&["no store"]);
    let _ = home.tenure(&["gc"]).ok();
    assert!(!fs::exists(home.state().join("tenure.db")).unwrap());
}
