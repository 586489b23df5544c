//! The fence while a run lives: a stale worker cannot say anything in a newer one's name.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;
use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::{Database, wait_until};

use crate::claimed;

on_both!(
    a_stale_run_can_say_nothing_about_the_new_attempt_and_is_told_why,
    no_two_claims_of_one_dispatcher_share_a_claim_lock,
    a_report_after_a_cancel_is_refused_and_names_the_verb,
    a_report_before_a_cancel_stands,
    the_first_report_stands_and_the_same_one_again_is_well,
    eight_adds_with_one_key_make_one_task,
);

const SLOW_TO_KILL: &str = "[dispatcher]\nkill_grace = '20s'";

fn a_stale_run_can_say_nothing_about_the_new_attempt_and_is_told_why(on: Database) {
    let home = on.home_with(SLOW_TO_KILL);
    let task = home.add(&[], &["exit", "0"]);
    let open = home.store();
    let old = claimed::claim(&open).tenure;
    let (said, go, began) = (home.at("said"), home.at("go"), home.at("began"));
    let steps = [
        "ignore-term",
        "say",
        &said,
        "append",
        &began,
        "{pid}",
        "wait-for",
        &go,
        "heartbeat",
        "comment",
        "a remark",
        "complete",
        "done",
        "block",
        "why",
        "defer",
        "1000",
        "later",
        "fail",
        "why",
    ];
    let mut warden = claimed::exec(&home, &old, &steps)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    home.until_written("began");
    // What the warden writes by itself must be answered before the claim goes, or it learns of
    // that too early.
    wait_until("the worker's pid is noted", || {
        runs(&home.show(task))[0]["pid"].as_i64()
    });

    claimed::take_back(&open, &old);
    let new = claimed::claim(&open).tenure;
    let before = home.show(task);
    home.touch("go");
    let answers = wait_until("the stale worker tried everything", || {
        let said = home.read("said");
        (said.lines().count() == 6).then_some(said)
    });
    for answer in answers.lines() {
        assert!(answer.ends_with("not_owner:run_mismatch"), "{answer}");
    }
    wait_until("the stale worker's warden is gone", || {
        warden.try_wait().ok().flatten()
    });

    let after = home.show(task);
    assert_eq!(runs(&after)[1], runs(&before)[1], "the new attempt changed");
    assert_eq!(after["task"]["current_run_id"], new.run.0);
    assert_eq!(after["comments"], before["comments"]);
    assert_eq!(outcomes(&after), ["reclaimed", "open"]);
}

fn no_two_claims_of_one_dispatcher_share_a_claim_lock(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 3");
    let _dispatcher = home.serve();
    let env = home.at("env");
    let tasks = [0; 3].map(|_| home.add(&[], &["env", &env, "exit", "1"]));
    for task in tasks {
        home.until(task, "blocked");
    }
    let locks: Vec<String> = home
        .read("env")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            line["env"]["TENURE_CLAIM_LOCK"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(locks.len(), 9);
    let secrets: BTreeSet<&str> = locks
        .iter()
        .filter_map(|lock| lock.split(':').nth(1))
        .collect();
    let dispatchers: BTreeSet<&str> = locks
        .iter()
        .filter_map(|lock| lock.split(':').next())
        .collect();
    assert_eq!((secrets.len(), dispatchers.len()), (9, 1), "{locks:?}");
}

fn a_report_after_a_cancel_is_refused_and_names_the_verb(on: Database) {
    let home = on.home_with(SLOW_TO_KILL);
    let _dispatcher = home.serve();
    let (said, go, began) = (home.at("said"), home.at("go"), home.at("began"));
    let steps = [
        "ignore-term",
        "append",
        &began,
        "{pid}",
        "wait-for",
        &go,
        "say",
        &said,
        "check",
        "complete",
        "too late",
    ];
    let task = home.add(&[], &steps);
    home.until_written("began");
    let _ = home
        .tenure(&["cancel", &task.to_string(), "--no-wait"])
        .ok();
    home.touch("go");

    let shown = home.until(task, "cancelled");
    let said = home.read("said");
    assert!(said.contains("complete not_owner:ending:cancel"), "{said}");
    assert_eq!(outcomes(&shown), ["cancelled"]);
    assert!(event_kinds(&shown).contains(&"asked"));
    assert!(!event_kinds(&shown).contains(&"reported"));
}

fn a_report_before_a_cancel_stands(on: Database) {
    let home = on.home_with("[dispatcher]\nfinish_grace = '20s'");
    let _dispatcher = home.serve();
    let (said, go) = (home.at("said"), home.at("go"));
    let task = home.add(&[], &["say", &said, "complete", "in time", "wait-for", &go]);
    home.until_written("said");
    let _ = home
        .tenure(&["cancel", &task.to_string(), "--no-wait"])
        .with_code(4);
    home.touch("go");
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["reason"], "in time");
}

fn the_first_report_stands_and_the_same_one_again_is_well(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let said = home.at("said");
    let steps = ["say", &said, "twice", "complete", "first", "fail", "second"];
    let shown = home.until(home.add(&[], &steps), "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    let said = home.read("said");
    let answers: Vec<&str> = said.lines().collect();
    assert_eq!(answers[0], "twice ok");
    assert!(answers[1].starts_with("fail error:refused"), "{said}");
    let reports = event_kinds(&shown)
        .iter()
        .filter(|kind| **kind == "reported")
        .count();
    assert_eq!(reports, 1);
}

fn eight_adds_with_one_key_make_one_task(on: Database) {
    let home = on.home();
    let children: Vec<_> = (0..8)
        .map(|_| {
            home.command(&["add", "--json", "--key", "nightly", "--", "true"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let answers: Vec<Value> = children
        .into_iter()
        .map(|child| {
            tenure_tests::Said::to_its_end(child, "add".to_owned())
                .ok()
                .json()
        })
        .collect();
    let ids: BTreeSet<i64> = answers
        .iter()
        .filter_map(|answer| answer["id"].as_i64())
        .collect();
    let created = answers
        .iter()
        .filter(|answer| answer["created"] == true)
        .count();
    assert_eq!((ids.len(), created), (1, 1), "{answers:?}");

    let _ = home
        .tenure(&["add", "--key", "nightly", "--", "false"])
        .with_code(4)
        .mentions(&["nightly"]);
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
