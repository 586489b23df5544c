//! A fleet is upgraded host by host: dispatchers of this build on a store that a newer one made its own, and
//! on one that an older one serves. The newer program is played by the statements that it would carry out.

use std::fs;

use serde_json::Value;
use tenure_store::{StoreUrl, known_schema};
use tenure_tests::home::{Home, event_kinds, outcomes, runs};
use tenure_tests::process::Signal;
use tenure_tests::{Database, wait_until};

on_both!(
    what_a_newer_version_left_is_shown_and_what_is_ours_to_run_runs,
    who_is_shut_out_stands_down_and_its_worker_and_report_wait_for_a_newer_one,
    an_older_dispatcher_that_lives_is_named_and_not_shut_out,
);

/// An additive migration, and a task that only programs that know it can run: its limits, and another's lane.
fn make_newer(home: &Home, own: i64, beyond: [i64; 2]) {
    for statement in [
        "ALTER TABLE tasks ADD COLUMN budget BIGINT".to_owned(),
        "CREATE TABLE budgets (task_id BIGINT PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE)"
            .to_owned(),
        "UPDATE store SET schema_version = schema_version + 1".to_owned(),
        format!(
            r#"UPDATE tasks SET limits = '{{"max_cost":7}}', priority = 9 WHERE id = {}"#,
            beyond[0]
        ),
        format!(
            r#"UPDATE tasks SET lane = '{{"budget":true}}', priority = 9 WHERE id = {}"#,
            beyond[1]
        ),
        format!(
            r#"INSERT INTO events (task_id, kind, at, payload) VALUES ({own}, 'budgeted', 0, '{{"budget":7}}')"#
        ),
    ] {
        home.forge(statement);
    }
}

/// The codes by which `explain` says why a task stands there.
#[track_caller]
fn reasons(home: &Home, task: i64) -> Vec<String> {
    let told = home.tenure(&["explain", &task.to_string(), "--json"]).ok();
    let told = told.json();
    let reasons = told["reasons"].as_array().unwrap().iter();
    reasons
        .map(|reason| reason["code"].as_str().unwrap().to_owned())
        .collect()
}

fn what_a_newer_version_left_is_shown_and_what_is_ours_to_run_runs(on: Database) {
    let home = on.home();
    let own = home.add(&[], &["exit", "0"]);
    let beyond = [home.add(&[], &["exit", "0"]), home.add(&[], &["exit", "0"])];
    make_newer(&home, own, beyond);
    let _dispatcher = home.serve();
    let shown = home.until(own, "done");
    assert!(event_kinds(&shown).contains(&"budgeted"), "{shown:#}");
    home.until(home.add(&[], &["exit", "0"]), "done");

    for task in beyond {
        let shown = home.show(task);
        assert_eq!(shown["task"]["status"], "ready", "{shown:#}");
        assert!(runs(&shown).is_empty(), "{shown:#}");
        assert_eq!(reasons(&home, task), ["beyond_dispatchers"]);
    }
    assert_eq!(home.show(beyond[0])["task"]["limits"]["max_cost"], 7);
    let first = beyond[0].to_string();
    let page = home.tenure(&["explain", &first]).ok().out;
    for words in [
        "a newer tenure added it",
        "max_cost",
        "is installed on a host",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let events = home.tenure(&["events"]).ok().out;
    assert!(events.contains("budgeted"), "{events}");
    for verb in [
        &["list", "--all"][..],
        &["show", &first],
        &["runs", &first],
        &["events"],
        &["explain", &first],
        &["stats"],
    ] {
        let _ = home.tenure(verb).ok();
        let _ = home.tenure(&[verb, &["--json"]].concat()).ok();
    }
    let found = home.tenure(&["diagnose", "--json"]);
    let found = found.json();
    let matters = found.as_array().unwrap().iter();
    let matters: Vec<(&Value, &Value)> = matters
        .map(|matter| (&matter["rule"], &matter["task"]))
        .collect();
    let expected = beyond.map(Value::from);
    let rule = Value::from("beyond_dispatchers");
    assert_eq!(matters.len(), 2, "{found:#}");
    for task in &expected {
        assert!(matters.contains(&(&rule, task)), "{found:#}");
    }
}

#[test]
fn dispatchers_of_both_versions_share_the_work() {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let (old, new) = (Home::on(&url, ""), Home::on(&url, ""));
    let go = old.at("go");
    let first = old.add(&[], &["wait-for", &go, "exit", "0"]);
    let beyond = [old.add(&[], &["exit", "0"]), old.add(&[], &["exit", "0"])];
    let _old = {
        let _ = old.tenure(&["pause"]).ok();
        let dispatcher = old.serve();
        // It lives when the tables change under it.
        make_newer(&old, first, beyond);
        let _ = old.tenure(&["resume"]).ok();
        dispatcher
    };
    let _new = new.serve();
    // As many as both have slots for, so that each has to take its share.
    let tasks: Vec<i64> = (0..7)
        .map(|_| new.add(&[], &["wait-for", &go, "exit", "0"]))
        .chain([first])
        .collect();
    let dispatcher_of = |task: i64| {
        wait_until(&format!("task {task} runs"), || {
            let shown = new.show(task);
            let run = shown["runs"].as_array()?.first()?;
            Some(run["dispatcher_id"].as_str()?.to_owned())
        })
    };
    let mut by: Vec<String> = tasks.iter().map(|task| dispatcher_of(*task)).collect();
    by.sort_unstable();
    by.dedup();
    assert_eq!(by.len(), 2, "{by:?}");
    old.touch("go");
    for task in tasks {
        assert_eq!(outcomes(&new.until(task, "done")), ["completed"]);
    }
    for task in beyond {
        assert_eq!(new.show(task)["task"]["status"], "ready");
    }
}

/// Its renewals come every few seconds, and its lease lasts as long as the upgrade.
const DETACH: &str = "[dispatcher]\nlease = '60s'\non_stop = 'detach'\npoll = '1s'";

fn who_is_shut_out_stands_down_and_its_worker_and_report_wait_for_a_newer_one(on: Database) {
    let home = on.home_with(DETACH);
    let (began, go, said) = (home.at("began"), home.at("go"), home.at("said"));
    let reporting = ["--protocol", "report"];
    let task = home.add(
        &reporting,
        &[
            "say", &said, "append", &began, "x", "wait-for", &go, "complete", "well", "exit", "0",
        ],
    );
    let ends = home.at("ends");
    let ending = home.add(&[], &["wait-for", &ends, "exit", "0"]);
    let mut dispatcher = home.serve();
    home.until_written("began");
    home.until(ending, "running");
    let newer = known_schema() + 1;
    let set = |from: i64| {
        home.forge(format!(
            "UPDATE store SET schema_version = {newer}, compatible_from = {from}"
        ));
    };
    set(newer);
    // An end that it sees and cannot write any more is its warden's to keep.
    home.touch("ends");
    // Whatever it looks for or renews next, it finds it.
    assert_eq!(dispatcher.ended(), Some(1), "{}", dispatcher.log());
    let log = dispatcher.log();
    for word in ["standing down", &format!("schema version {newer}")] {
        assert!(log.contains(word), "{word}: {log}");
    }
    for verb in [&["serve"][..], &["add", "--", "true"], &["list"]] {
        let _ = home.tenure(verb).with_code(1).mentions(&[
            &format!("has schema version {newer}"),
            &format!("knows {} at most", known_schema()),
            "install on this host the newer tenure",
        ]);
    }
    // The worker works on, and what it says is kept.
    home.touch("go");
    assert_eq!(home.until_written("said"), "complete kept\n");
    // The newer program comes.
    set(known_schema());
    dispatcher.launch_again(&home);
    dispatcher.until_ready();
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["completed"], "{shown:#}");
    assert_eq!(runs(&shown)[0]["report"]["complete"]["summary"], "well");
    assert_eq!(home.read("began"), "x\n");
    assert_eq!(outcomes(&home.until(ending, "done")), ["completed"]);
    dispatcher.signal(Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0));
}

/// The tables of version 3, as they shipped.
const VERSION_3: [[&str; 3]; 2] = [
    [
        include_str!("../../crates/store/migrations/sqlite/0001_tasks.sql"),
        include_str!("../../crates/store/migrations/sqlite/0002_adoption.sql"),
        include_str!("../../crates/store/migrations/sqlite/0003_care.sql"),
    ],
    [
        include_str!("../../crates/store/migrations/postgres/0001_tasks.sql"),
        include_str!("../../crates/store/migrations/postgres/0002_adoption.sql"),
        include_str!("../../crates/store/migrations/postgres/0003_care.sql"),
    ],
];

fn an_older_dispatcher_that_lives_is_named_and_not_shut_out(on: Database) {
    let home = on.home();
    let (of_database, now) = match home.store_url() {
        StoreUrl::Sqlite(path) => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
            (0, "CAST(unixepoch('subsec') * 1000 AS INTEGER)")
        }
        StoreUrl::Postgres(_) => (
            1,
            "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
        ),
    };
    for script in VERSION_3[of_database] {
        home.forge(script.to_owned());
    }
    home.forge(
        "INSERT INTO store VALUES (1, '00000000-0000-4000-8000-000000000000', 3)".to_owned(),
    );
    let id = "00000000-0000-4000-8000-000000000003";
    home.forge(format!(
        "INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots, profiles,
                                  started_at, seen_at)
         VALUES ('{id}', '', 'attic', '', 77, '', '0.0.3', 1, '[]', 0, {now})"
    ));
    // A dispatcher of a file holds its lock.
    let lock = match home.store_url() {
        StoreUrl::Sqlite(path) => {
            let lock = fs::File::create(format!("{}.lock", path.display())).unwrap();
            lock.lock().unwrap();
            Some(lock)
        }
        StoreUrl::Postgres(_) => None,
    };
    let needs = format!("needs {}", known_schema());
    let _ = home.tenure(&["serve"]).with_code(4).mentions(&[
        "has schema version 3",
        &needs,
        id,
        "on attic",
        "tenure 0.0.3",
        "tenure drain",
        "install this version on its host",
        "killed counts as living",
    ]);
    // Other verbs change no tables, and name the one that does.
    let both = ["has schema version 3", &needs, "tenure serve"];
    let _ = home.tenure(&["list"]).with_code(1).mentions(&both);
    // It leaves, as `drain` would have it.
    home.forge(format!(
        "UPDATE dispatchers SET retired_at = {now} WHERE id = '{id}'"
    ));
    drop(lock);
    let _dispatcher = home.serve();
    home.until(home.add(&[], &["exit", "0"]), "done");
}
