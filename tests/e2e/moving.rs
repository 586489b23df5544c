//! An operator outgrows a machine: the store moves to another database, and work goes on there; or
//! comes back.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use tenure_store::StoreUrl;
use tenure_store::copy::Move;
use tenure_tests::home::runs;
use tenure_tests::process::Signal;
use tenure_tests::{Database, Home, Said, postgres, wait_until};

use crate::diagonal::WAYS;
use crate::ways::{CONFIG, When, play};

on_both!(
    a_store_with_runs_of_every_outcome_moves_whole_and_is_worked_on_there,
    a_migration_that_is_killed_again_and_again_comes_to_the_same_end,
    what_is_served_or_has_open_runs_stays_and_the_way_out_is_said,
    a_migration_is_undone_by_one_command_and_says_what_it_would_do_before,
);

/// An address on the other database than the home's; nothing where there is no server.
fn elsewhere(home: &Home, name: &str) -> Option<String> {
    match home.store_url() {
        StoreUrl::Sqlite(_) => postgres::database(),
        StoreUrl::Postgres(_) => Some(format!("sqlite:{}", home.at(name))),
    }
}

fn migrate(home: &Home, from: &str, to: &str) -> Said {
    home.tenure(&["migrate", "--from", from, "--to", to, "--json"])
}

/// Where the home's store is, for a command line.
fn here(home: &Home) -> String {
    home.store_url().expose()
}

/// Insists that everything is there, and the same.
#[track_caller]
fn all_equal(said: &Value) {
    assert_eq!(said["finished"], true, "{said:#}");
    for table in said["tables"].as_array().unwrap() {
        assert_eq!(table["equal"], true, "{table:#}");
        assert_eq!(table["source"], table["target"], "{table:#}");
    }
}

/// All that is shown of every task.
fn everything(home: &Home, db: &str) -> Vec<Value> {
    let all = home.tenure(&["--db", db, "list", "--all", "--json"]).ok();
    let ids = all.json();
    let ids = ids.as_array().unwrap().iter();
    ids.map(|task| {
        let id = task["id"].to_string();
        home.tenure(&["--db", db, "show", &id, "--json"])
            .ok()
            .json()
    })
    .collect()
}

/// Where nobody dispatches any more: one that was killed counts as living for a while on a server.
#[track_caller]
fn at_rest(home: &Home, to: &str) {
    wait_until("nobody is taken for living", || {
        let plan = ["migrate", "--to", to, "--dry-run"];
        let said = home.tenure(&plan);
        assert!(matches!(said.code, 0 | 4), "{said}");
        (said.code == 0).then_some(())
    });
}

fn a_store_with_runs_of_every_outcome_moves_whole_and_is_worked_on_there(on: Database) {
    let home = on.home_with(CONFIG);
    let Some(to) = elsewhere(&home, "moved.db") else {
        return;
    };
    let ways = WAYS.into_iter().flatten();
    let cast: Vec<_> = ways.map(|way| (When::Watched, *way)).collect();
    play(&home, &cast);
    unfinished(&home);
    at_rest(&home, &to);
    let before = everything(&home, &here(&home));
    let newest = newest_run(&before);
    let log = |db: &str| {
        let id = newest["task_id"].to_string();
        home.tenure(&["--db", db, "log", &id]).ok().out
    };
    let said_before = log(&here(&home));
    let said = migrate(&home, &here(&home), &to).ok().json();
    all_equal(&said);

    // Whoever comes to the old place by mistake starts nothing there, and is told where to go.
    for verb in [&["serve"][..], &["list"], &["add", "--", "true"]] {
        let refused = home.tenure(verb).with_code(4);
        let _ = refused.mentions(&["was moved to", "store", "migrate --from"]);
    }
    assert_eq!(everything(&home, &to), before);
    assert_eq!(log(&to), said_before);

    let url = toml::Value::from(to.as_str());
    home.configure(&format!("{CONFIG}\n[store]\nurl = {url}"));
    let _ = home.tenure(&["resume"]).ok();
    let _dispatcher = home.serve();
    let new = home.add(&[], &["print", "at the new place", "exit", "0"]);
    let shown = home.until(new, "done");
    assert!(runs(&shown)[0]["run_id"].as_i64() > newest["run_id"].as_i64());
    let waiting = before.iter().find(|task| task["task"]["title"] == "waits");
    let waiting = waiting.unwrap()["task"]["id"].as_i64().unwrap();
    home.until(waiting, "done");
}

/// Tasks of each status that is not over.
fn unfinished(home: &Home) {
    for more in [
        &["--title", "waits"][..],
        &["--delay", "1h"],
        &["--every", "1h"],
        &["--limit-key", "repo:x", "--limit", "2"],
    ] {
        home.add(more, &["exit", "0"]);
    }
    let parent = home.add(&[], &["exit", "0"]).to_string();
    home.add(&["--after", &parent], &["exit", "0"]);
    let _ = home.tenure(&["block", &parent, "--reason", "ask me"]).ok();
    let cancelled = home.add(&[], &["exit", "0"]).to_string();
    let _ = home.tenure(&["cancel", &cancelled]).ok();
    let _ = home.tenure(&["archive", &cancelled]).ok();
    let _ = home.tenure(&["comment", &parent, "Größe 'x' \"y\""]).ok();
    let _ = home.tenure(&["pause"]).ok();
}

fn newest_run(shown: &[Value]) -> Value {
    let all = shown.iter().filter_map(|task| task["runs"].as_array());
    let mut all: Vec<Value> = all.flatten().cloned().collect();
    all.sort_by_key(|run| run["run_id"].as_i64());
    all.pop().expect("a run")
}

fn a_migration_that_is_killed_again_and_again_comes_to_the_same_end(on: Database) {
    let home = on.home();
    let Some(to) = elsewhere(&home, "moved.db") else {
        return;
    };
    let body = "x".repeat(20_000);
    let tasks = format!("[[task]]\ncommand = ['true']\nbody = '{body}'\n").repeat(50);
    home.write("work/many.toml", &tasks);
    for _ in 0..12 {
        let _ = home.tenure(&["submit", "many.toml"]).ok();
    }
    let before = home.tenure(&["list", "--json"]).ok().json();
    let mut killed = 0;
    for lines in [1, 2, 3, 5, 8, 12, 16] {
        let from = here(&home);
        let mut child = home
            .command(&["migrate", "--from", &from, "--to", &to])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        let came = told.lines().take(lines).count();
        // By its handle.
        let _ = child.kill();
        if child.wait().unwrap().success() {
            break;
        }
        if came == 0 {
            continue;
        }
        killed += 1;
        let _ = home.tenure(&["list"]).with_code(4).mentions(&["moved to"]);
        // What is half is nobody's: it is not there yet, or not to be used.
        let there = home.tenure(&["--db", &to, "list", "--json"]);
        assert!(there.code == 4 || there.out == "[]\n", "{there}");
    }
    assert!(killed > 1, "no migration was killed");
    let last = migrate(&home, &here(&home), &to).ok().json();
    // One may have come to its end before it was killed.
    if last["at"].is_null() {
        assert_eq!(last["resumed"], true, "{last}");
        all_equal(&last);
    }
    let all = home.tenure(&["--db", &to, "list", "--json"]).ok();
    assert_eq!(all.json(), before);
    // Whoever asks again is told that it is over.
    let again = migrate(&home, &here(&home), &to).ok().json();
    assert_eq!(again["finished"], true, "{again}");
}

fn what_is_served_or_has_open_runs_stays_and_the_way_out_is_said(on: Database) {
    let home = on.home_with("[dispatcher]\non_stop = 'detach'");
    let Some(to) = elsewhere(&home, "moved.db") else {
        return;
    };
    let mut dispatcher = home.serve();
    let task = home.add(&[], &["append", &home.at("began"), "x", "hang"]);
    home.until_written("began");
    let _ = migrate(&home, &here(&home), &to)
        .with_code(4)
        .mentions(&["in use by", "tenure drain"]);
    dispatcher.signal(Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0));
    let run = runs(&home.show(task))[0]["run_id"].to_string();
    let warden = runs(&home.show(task))[0]["warden_pid"].to_string();
    let refused = migrate(&home, &here(&home), &to).with_code(4);
    let names = [
        format!("task {task}, run {run} "),
        format!("(pid {warden}) lives"),
        "tenure settle".to_owned(),
    ];
    let _ = refused.mentions(&names.each_ref().map(String::as_str));
    // Nothing came of it, at either end.
    assert!(home.show(task)["task"]["status"] == "running");
    let there = home.tenure(&["--db", &to, "list", "--json"]).ok();
    assert_eq!(there.out, "[]\n");

    let _ = home.tenure(&["settle"]).ok();
    all_equal(&migrate(&home, &here(&home), &to).ok().json());
}

fn a_migration_is_undone_by_one_command_and_says_what_it_would_do_before(on: Database) {
    let Some(to) = postgres::database() else {
        return;
    };
    let home = on.home();
    let _ = home
        .tenure(&["migrate", "--to", &to])
        .with_code(4)
        .mentions(&["no store"]);
    home.add(&[], &["exit", "0"]);
    let planned = home.tenure(&["migrate", "--to", &to, "--dry-run", "--json"]);
    let planned = planned.ok().json();
    assert_eq!(planned["tables"][1]["table"], "tasks", "{planned}");
    assert_eq!(planned["tables"][1]["rows"], 1, "{planned}");
    let _ = home
        .tenure(&["migrate", "--undo"])
        .with_code(4)
        .mentions(&["nothing to undo"]);

    // It begins, and its process is gone.
    let open = home.store();
    let target = to.parse().unwrap();
    drop(open.wait(Move::begin(home.store_url(), &target)).unwrap());
    drop(open);
    let _ = home
        .tenure(&["add", "--", "true"])
        .with_code(4)
        .mentions(&["is being moved to", "--undo"]);
    let _ = home.tenure(&["migrate", "--undo"]).ok();
    home.add(&[], &["exit", "0"]);
    let _ = home
        .tenure(&["migrate", "--to", &to])
        .with_code(4)
        .mentions(&["another migration", "empty"]);
    let another = postgres::database().unwrap();
    let said = home.tenure(&["migrate", "--to", &another]).ok();
    assert!(said.out.contains("[store] url"), "{}", said.out);
    let _ = home
        .tenure(&["migrate", "--undo"])
        .with_code(4)
        .mentions(&["was moved to"]);
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let home = Home::new();
    home.add(&[], &["exit", "0"]);
    let url = "postgres://u:hush@127.0.0.1:1/d";
    for flags in [
        ["--to", url, "--from", "x.db"],
        ["--from", url, "--to", "x.db"],
    ] {
        let said = home
            .tenure(&[&["migrate"], &flags[..]].concat())
            .with_code(2);
        assert!(
            !said.err.contains("hush") && said.err.contains("pgpass"),
            "{said}"
        );
    }
    assert_eq!(
        home.tenure(&["list", "--json"])
            .ok()
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
