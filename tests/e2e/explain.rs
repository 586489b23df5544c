//! `explain` and `stats`, over real processes: each reason, provoked.

use serde_json::Value;
use tenure_tests::process::{Process, Signal};
use tenure_tests::said::Said;
use tenure_tests::{Database, Home, wait_until};

on_both!(
    a_task_that_is_not_there_cannot_be_explained,
    no_suggested_command_shows_a_password,
    what_holds_a_task_back_is_named_with_the_way_out,
    a_profile_that_nobody_has_any_more_is_named,
    a_full_dispatcher_is_named,
    a_limit_key_that_is_taken_is_named_with_who_has_it,
    how_a_run_ended_is_told_with_evidence_and_advice,
    who_ended_a_run_is_told,
    where_nobody_serves_the_last_who_did_is_named_and_how_it_went,
    a_warden_that_is_stopped_is_named_with_what_lets_it_go_on,
);

/// `explain ID --json`.
#[track_caller]
fn explain(home: &Home, task: i64) -> Value {
    home.tenure(&["explain", &task.to_string(), "--json"])
        .ok()
        .json()
}

/// The reasons for which it stands there.
fn codes(explained: &Value) -> Vec<&str> {
    let reasons = explained["reasons"].as_array().unwrap();
    reasons
        .iter()
        .filter_map(|reason| reason["code"].as_str())
        .collect()
}

#[track_caller]
fn until_code(home: &Home, task: i64, code: &str) -> Value {
    wait_until(&format!("task {task} is explained by {code}"), || {
        let explained = explain(home, task);
        codes(&explained).contains(&code).then_some(explained)
    })
}

/// What the page says about a task that is over, or waits for a person.
#[track_caller]
fn page(home: &Home, task: i64) -> String {
    home.tenure(&["explain", &task.to_string()]).ok().out
}

fn a_task_that_is_not_there_cannot_be_explained(on: Database) {
    let home = on.home();
    let _ = home.tenure(&["explain", "1"]).with_code(3);
    let _ = home.tenure(&["stats"]).ok();
    let stats = home.tenure(&["stats", "--json"]).ok().json();
    assert!(
        stats["at"].is_null() && stats["unfinished"]["ready"] == 0,
        "{stats}"
    );
    assert!(
        !home.path().join(".local").exists(),
        "a reading verb made a folder"
    );
}

/// What a line says that somebody pasted, with such variables.
#[track_caller]
fn pasted(home: &Home, line: &str, variables: &[(&str, &str)]) -> Said {
    Said::by(home.pasted(line).envs(variables.iter().copied()))
}

#[test]
fn a_command_that_is_suggested_names_the_store_that_was_asked() {
    let home = Home::apart("");
    let task = home.add(&[], &["exit", "0"]).to_string();
    let _ = home.tenure(&["cancel", &task]).ok();
    let explained = home.tenure(&["explain", &task, "--json"]).ok().json();
    let command = explained["reasons"][0]["command"].as_str().unwrap();
    let page = home.tenure(&["explain", &task]).ok().out;
    assert!(page.contains(command), "{page}");
    let _ = pasted(&home, command, &[]).ok();
    assert_eq!(home.show(task.parse().unwrap())["task"]["status"], "ready");
    let shown = home.tenure(&["show", &task]).ok().out;
    let why = shown.lines().find_map(|line| line.strip_prefix("why"));
    let _ = pasted(&home, why.unwrap().trim(), &[]).ok();
    // What a verb refuses says the way out alike.
    let _ = home.tenure(&["block", &task, "--reason", "later"]).ok();
    let said = home.tenure(&["unblock", "99"]).with_code(3);
    let list = said.err.split('`').nth(1).unwrap();
    assert!(list.contains("--db") && list.contains("--config"), "{list}");
    let listed = pasted(&home, list, &[]).ok().out;
    assert!(listed.contains("blocked"), "{listed}");
}

fn no_suggested_command_shows_a_password(on: Database) {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let home = on.home();
    let secret = url.replacen("postgres@", "postgres:hunter2@", 1);
    let tenure = |verb: &[&str]| Said::by(home.command(verb).env("TENURE_DB", &secret));
    let added = tenure(&["add", "--json", "--", "true"]).ok().json();
    let task = added["id"].to_string();
    for words in [
        tenure(&["explain", &task]).ok().out,
        tenure(&["explain", &task, "--json"]).ok().out,
        tenure(&["diagnose", "--json"]).with_code(1).out,
        tenure(&["show", &task]).ok().out,
        tenure(&["unblock", "99"]).with_code(3).err,
    ] {
        assert!(!words.contains("hunter2"), "{words}");
        assert!(!words.contains("--db"), "{words}");
    }
    let shown = tenure(&["show", &task]).ok().out;
    let why = shown.lines().find_map(|line| line.strip_prefix("why"));
    let why = why.unwrap().trim();
    // The shell that it is pasted into says the rest.
    let told = pasted(&home, why, &[("TENURE_DB", &secret)]).ok().out;
    assert!(told.contains("no_dispatcher"), "{told}");
}

fn what_holds_a_task_back_is_named_with_the_way_out(on: Database) {
    let home = on.home_with(
        &[
            Home::profile("one", "max_running = 1", &["wait-for", "go"]),
            Home::profile("other", "", &["exit", "0"]),
        ]
        .concat(),
    );
    let early = home.add(&[], &["exit", "0"]);
    let explained = explain(&home, early);
    assert_eq!(codes(&explained), ["no_dispatcher"]);
    assert_eq!(explained["reasons"][0]["command"], "tenure serve");
    let mut dispatcher = home.serve();
    home.until(early, "done");

    let first = home.add_for("one", &[]);
    until_code(&home, first, "running");
    let second = home.add_for("one", &[]);
    let explained = until_code(&home, second, "profile_full");
    assert_eq!(explained["reasons"][0]["tasks"], serde_json::json!([first]));
    assert_eq!(explained["place"]["before_in_profile"]["number"], 0);
    let child = home.add(&["--after", &second.to_string()], &["exit", "0"]);
    let explained = explain(&home, child);
    assert_eq!(codes(&explained), ["waits_for_parent"]);
    assert_eq!(
        explained["reasons"][0]["tasks"],
        serde_json::json!([second])
    );
    assert_eq!(
        explain(&home, second)["task"]["waited_for_by"],
        serde_json::json!([child])
    );
    let later = home.add_for("other", &["--not-before", "+1h"]);
    assert_eq!(codes(&explain(&home, later)), ["not_yet_due"]);

    let stats = home.tenure(&["stats", "--json"]).ok().json();
    assert_eq!(stats["unfinished"]["running"], 1, "{stats}");
    assert_eq!(stats["dispatchers"][0]["runs"], 1, "{stats}");
    assert_eq!(stats["ends"][0]["outcome"], "completed", "{stats}");

    dispatcher.crash();
    let explained = explain(&home, first);
    assert_eq!(codes(&explained), ["unattended"]);
    let _dispatcher = home.serve();
    home.touch("go");
    home.until(child, "done");
    let _ = home
        .tenure(&["cancel", &later.to_string(), "--reason", "not wanted"])
        .ok();
    let explained = explain(&home, later);
    assert_eq!(codes(&explained), ["cancelled"]);
    let words = explained["reasons"][0]["words"].as_str().unwrap();
    assert!(words.contains("not wanted"), "{words}");
}

fn a_profile_that_nobody_has_any_more_is_named(on: Database) {
    let home = on.home_with(&Home::profile("gone", "skills = ['rust']", &["exit", "0"]));
    let skilled = home.add_for("gone", &["--skill", "rust"]);
    home.configure(&Home::profile("gone", "", &["exit", "0"]));
    let first = home.serve();
    assert_eq!(codes(&explain(&home, skilled)), ["skill_missing"]);
    drop(first);
    home.configure("");
    let _second = home.serve();
    assert_eq!(codes(&explain(&home, skilled)), ["profile_missing"]);
}

fn a_full_dispatcher_is_named(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 1");
    let _dispatcher = home.serve();
    let first = home.add(&[], &["wait-for", "go"]);
    until_code(&home, first, "running");
    // It runs ahead of its slots by two at most.
    let waiting: Vec<i64> = (0..4).map(|_| home.add(&[], &["exit", "0"])).collect();
    until_code(&home, waiting[3], "no_slot");
    home.touch("go");
    home.until(waiting[3], "done");
}

fn a_limit_key_that_is_taken_is_named_with_who_has_it(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let first = home.add(&["--limit-key", "repo:x"], &["wait-for", "go"]);
    until_code(&home, first, "running");
    let second = home.add(&["--limit-key", "repo:x", "--limit", "1"], &["exit", "0"]);
    let explained = explain(&home, second);
    assert_eq!(codes(&explained), ["limit_key_full"]);
    assert_eq!(explained["reasons"][0]["tasks"], serde_json::json!([first]));
    home.touch("go");
    home.until(second, "done");
}

fn how_a_run_ended_is_told_with_evidence_and_advice(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1\nviolation_limit = 1");
    let _dispatcher = home.serve();
    let cases = [
        (home.add(&[], &["exit", "7"]), "failed+exit", "exit code 7"),
        (
            home.add(&[], &["print", "the last words", "signal", "9"]),
            "crashed+signal",
            "SIGKILL",
        ),
        (
            home.add(&[], &["signal", "11"]),
            "crashed+signal",
            "fault of the program",
        ),
        (
            home.add(&[], &["exit", "79"]),
            "failed+exit_79_not_stood_down",
            "not the owner",
        ),
        (
            home.add(&["--protocol", "report"], &["exit", "0"]),
            "protocol_violation+no_report",
            "tenure log",
        ),
        (
            home.add(&[], &["fail", "no luck"]),
            "failed+reported",
            "no luck",
        ),
        (
            home.add(&["--max-runtime", "1s"], &["hang"]),
            "timed_out+max_runtime",
            "its warden sent the signal",
        ),
    ];
    let missing = home
        .tenure(&["add", "--json", "--", "/no/such/program"])
        .ok()
        .json()["id"]
        .as_i64()
        .unwrap();
    let missing = (missing, "spawn_failed+enoent", "ENOENT");
    for (task, code, words) in cases.into_iter().chain([missing]) {
        home.until(task, "blocked");
        let explained = explain(&home, task);
        assert_eq!(explained["newest"]["code"], code, "{explained:#}");
        let reason = explained["reasons"][0]["code"].as_str().unwrap();
        assert!(reason.starts_with("gave_up:"), "{explained:#}");
        let limit = serde_json::json!({
            "key": "max_failures", "value": "1", "origin": "defaults"
        });
        let policies = explained["policies"].as_array().unwrap();
        assert!(policies.contains(&limit), "{policies:?}");
        let page = page(&home, task);
        assert!(page.contains(words), "{page}");
        assert!(page.contains(&format!("tenure unblock {task}")), "{page}");
    }
    let page = page(&home, cases[1].0);
    assert!(page.contains("| the last words"), "{page}");
}

fn who_ended_a_run_is_told(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let stopped = home.add(&[], &["hang"]);
    let interrupted = home.add(&["--max-benign", "1"], &["hang"]);
    let lost = home.add(&["--max-lost", "1"], &["hang"]);
    for task in [stopped, interrupted, lost] {
        until_code(&home, task, "running");
    }
    let id = stopped.to_string();
    let _ = home.tenure(&["stop", &id, "--reason", "too hot"]).ok();
    let explained = explain(&home, stopped);
    assert_eq!(explained["newest"]["code"], "stopped+asked");
    assert_eq!(codes(&explained), ["blocked_operator"]);
    assert!(page(&home, stopped).contains("too hot"));

    let warden = |task: i64| {
        let shown = home.show(task);
        let pid = tenure_tests::home::runs(&shown)[0]["warden_pid"]
            .as_i64()
            .unwrap();
        Process::now(i32::try_from(pid).unwrap()).expect("the warden lives")
    };
    warden(interrupted).signal(Signal::TERM);
    home.until(interrupted, "blocked");
    let explained = explain(&home, interrupted);
    assert_eq!(explained["newest"]["code"], "interrupted+signal");
    assert_eq!(codes(&explained), ["gave_up:max_benign"]);
    warden(lost).signal(Signal::KILL);
    home.until(lost, "blocked");
    let explained = explain(&home, lost);
    assert_eq!(explained["newest"]["code"], "lost+warden_killed");
    assert_eq!(codes(&explained), ["gave_up:max_lost"]);
}

fn where_nobody_serves_the_last_who_did_is_named_and_how_it_went(on: Database) {
    let home = on.home();
    let task = home.add(&["--not-before", "+1h"], &["exit", "0"]);
    let told = |how: &str| {
        let explained = explain(&home, task);
        let reasons = explained["reasons"].as_array().unwrap();
        let mut nobody = reasons.iter();
        let nobody = nobody.find(|reason| reason["code"] == "no_dispatcher");
        let nobody = nobody.unwrap_or_else(|| panic!("{explained:#}"));
        let words = nobody["words"].as_str().unwrap();
        assert!(words.contains(how), "{words}");
        (nobody["since"].clone(), words.to_owned())
    };
    told("none ever did");
    let mut dispatcher = home.serve();
    let pid = format!("(pid {} on ", dispatcher.process().pid);
    dispatcher.signal(Signal::TERM);
    assert_eq!(dispatcher.ended(), Some(0));
    let (since, words) = told(&pid);
    assert!(words.ends_with("was stopped"), "{words}");
    assert!(since.is_string(), "{since}");
    let mut dispatcher = home.serve();
    let pid = format!("(pid {} on ", dispatcher.process().pid);
    dispatcher.crash();
    let (_, words) = told(&pid);
    assert!(words.contains("ended without a word"), "{words}");
}

fn a_warden_that_is_stopped_is_named_with_what_lets_it_go_on(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let task = home.add(&[], &["hang"]);
    let explained = until_code(&home, task, "running");
    assert_eq!(codes(&explained), ["running"]);
    let pid = home.show(task)["runs"][0]["warden_pid"].as_i64().unwrap();
    let warden = Process::now(i32::try_from(pid).unwrap()).expect("the warden lives");
    home.stop(warden);
    let explained = explain(&home, task);
    assert_eq!(codes(&explained), ["warden_stopped", "running"]);
    let command = explained["reasons"][0]["command"].as_str().unwrap();
    let _ = pasted(&home, command, &[]).ok();
    let explained = explain(&home, task);
    assert_eq!(codes(&explained), ["running"]);
}
