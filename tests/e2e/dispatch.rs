//! Claiming and starting: order, caps, dependencies, and one dispatcher at a time.

use serde_json::Value;
use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::{Database, Home, wait_until};

on_both!(
    a_command_that_succeeds_ends_done,
    what_was_added_before_the_dispatcher_came_is_done_after_it_came,
    a_task_waits_for_every_one_of_its_parents,
    a_child_of_a_task_that_gave_up_stays_where_it_is,
    never_more_workers_than_slots_run_at_once,
    never_more_workers_of_a_profile_run_at_once_than_it_allows,
    the_highest_priority_goes_first_and_among_equals_the_oldest,
    a_task_does_not_start_before_its_time,
    a_dispatcher_that_was_told_to_end_leaves_its_store_to_the_next_one,
    a_task_for_a_profile_that_nobody_offers_is_refused_by_name,
    placeholders_stand_for_the_facts_of_the_run,
    a_log_says_each_move_with_its_ids_and_never_a_whole_claim_lock,
    where_no_warden_program_lies_beside_it_tenure_itself_stands_over_workers,
    where_the_warden_program_lies_beside_it_that_stands_over_workers,
);

fn a_command_that_succeeds_ends_done(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let added = home.tenure(&["add", "--json", "--", "true"]).ok().json();
    let shown = home.until(added["id"].as_i64().unwrap(), "done");
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(runs(&shown)[0]["exit"]["code"], 0);
    assert_eq!(
        event_kinds(&shown),
        ["added", "claimed", "started", "ended"]
    );
    assert_eq!(shown["task"]["title"], "true");
    assert!(shown["task"]["current_run_id"].is_null());
}

fn what_was_added_before_the_dispatcher_came_is_done_after_it_came(on: Database) {
    let home = on.home();
    let task = home.add(&[], &["exit", "0"]);
    assert_eq!(home.show(task)["task"]["status"], "ready");
    let _dispatcher = home.serve();
    home.until(task, "done");
}

fn a_task_waits_for_every_one_of_its_parents(on: Database) {
    let home = on.home();
    let order = home.at("order");
    let grandparent = home.add(&[], &["append", &order, "grandparent"]);
    let line = |name: &'static str| vec!["append".to_owned(), order.clone(), name.to_owned()];
    let add = |after: &[i64], name: &'static str| {
        let after: Vec<String> = after.iter().map(i64::to_string).collect();
        let flags: Vec<&str> = after.iter().flat_map(|id| ["--after", id]).collect();
        let steps = line(name);
        home.add(
            &flags,
            &steps.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    let left = add(&[grandparent], "parent");
    let right = add(&[grandparent], "parent");
    let child = add(&[left, right], "child");
    assert_eq!(home.show(child)["task"]["status"], "todo");
    let parents: Vec<i64> = home.show(child)["parents"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|parent| parent["id"].as_i64())
        .collect();
    assert_eq!(parents, [left, right]);

    let _dispatcher = home.serve();
    let shown = home.until(child, "done");
    assert_eq!(home.read("order"), "grandparent\nparent\nparent\nchild\n");
    assert!(event_kinds(&shown).contains(&"parents_done"));
    let children = home.show(grandparent)["children"].clone();
    assert_eq!(children.as_array().unwrap().len(), 2);
    assert_eq!(children[0]["status"], "done");
}

fn a_child_of_a_task_that_gave_up_stays_where_it_is(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let parent = home.add(&[], &["exit", "1"]);
    let child = home.add(&["--after", &parent.to_string()], &["exit", "0"]);
    let _dispatcher = home.serve();
    home.until(parent, "blocked");
    assert_eq!(home.show(child)["task"]["status"], "todo");
}

fn never_more_workers_than_slots_run_at_once(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 2");
    let tasks = most_at_once(&home, 6, |steps| home.add(&[], steps));
    assert_eq!(tasks, 2);
}

fn never_more_workers_of_a_profile_run_at_once_than_it_allows(on: Database) {
    let home = on.home_with(&capped_profile());
    let seen = most_at_once(&home, 4, |_| home.add_for("capped", &[]));
    assert_eq!(seen, 1);
}

/// A profile of which one runs at once, and whose worker says when it begins and ends.
fn capped_profile() -> String {
    let path = "{workspace}/effects";
    let steps = ["append", path, "+", "sleep", "100", "append", path, "-"];
    Home::profile("capped", "max_running = 1", &steps)
}

/// Adds tasks whose workers say when they begin and end; the most that ran at once.
#[track_caller]
fn most_at_once(home: &Home, count: usize, add: impl Fn(&[&str]) -> i64) -> i32 {
    let effects = home.at("effects");
    let steps = [
        "append", &effects, "+", "sleep", "100", "append", &effects, "-",
    ];
    let tasks: Vec<i64> = (0..count).map(|_| add(&steps)).collect();
    let _dispatcher = home.serve();
    for task in tasks {
        home.until(task, "done");
    }
    let (mut now, mut most) = (0, 0);
    for line in home.read("effects").lines() {
        now += if line == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!(now, 0, "who began did not end: {}", home.read("effects"));
    most
}

fn the_highest_priority_goes_first_and_among_equals_the_oldest(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 1");
    let order = home.at("order");
    let tasks: Vec<i64> = [("0", "c"), ("5", "b"), ("0", "d"), ("-3", "e"), ("9", "a")]
        .iter()
        .map(|(priority, name)| {
            let flag = format!("--priority={priority}");
            home.add(&[&flag], &["append", &order, name])
        })
        .collect();
    let _dispatcher = home.serve();
    for task in tasks {
        home.until(task, "done");
    }
    assert_eq!(home.read("order"), "a\nb\nc\nd\ne\n");
}

fn a_task_does_not_start_before_its_time(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let later = home.add(&["--not-before", "+1h"], &["exit", "0"]);
    let soon = home.add(&["--not-before", "+3s"], &["exit", "0"]);
    let waiting = home.show(soon);
    assert_eq!(waiting["task"]["status"], "scheduled");
    let shown = home.until(soon, "done");
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time(&runs(&shown)[0]["claimed_at"]) >= time(&waiting["task"]["not_before"]));
    assert_eq!(home.show(later)["task"]["status"], "scheduled");
}

#[test]
fn a_second_dispatcher_on_the_same_file_is_refused_and_told_who_holds_it() {
    let home = Home::new();
    let dispatcher = home.serve();
    let pid = dispatcher.process().pid.to_string();
    let _ = home.tenure(&["serve"]).with_code(4).mentions(&[&pid]);
    // And the first one is none the worse for it.
    home.until(home.add(&[], &["exit", "0"]), "done");
}

fn a_dispatcher_that_was_told_to_end_leaves_its_store_to_the_next_one(on: Database) {
    let home = on.home();
    for _ in 0..3 {
        let mut dispatcher = home.serve();
        home.until(home.add(&[], &["exit", "0"]), "done");
        dispatcher.signal(tenure_tests::process::Signal::TERM);
        assert_eq!(dispatcher.ended(), Some(0), "{}", dispatcher.log());
    }
}

fn a_task_for_a_profile_that_nobody_offers_is_refused_by_name(on: Database) {
    let home = on.home_with(&Home::profile("known", "skills = ['rust']", &["exit", "0"]));
    let _dispatcher = home.serve();
    let _ = home
        .tenure(&["add", "--assignee", "unknown"])
        .with_code(2)
        .mentions(&["unknown", "known"]);
    let _ = home
        .tenure(&["add", "--assignee", "known", "--skill", "cobol"])
        .with_code(2)
        .mentions(&["cobol", "rust"]);
    home.until(home.add_for("known", &["--skill", "rust"]), "done");
}

fn placeholders_stand_for_the_facts_of_the_run(on: Database) {
    let steps = [
        "append",
        "{workspace}/facts",
        "{task.id} {task.title} {task.body} {run.id} {{plain}}",
        "append",
        "{workspace}/context",
        "{context}",
    ];
    let home = on.home_with(&Home::profile("facts", "", &steps));
    let _dispatcher = home.serve();
    let task = home.add_for(
        "facts",
        &["--title", "a title; not $(a shell)", "--body", "a body"],
    );
    let shown = home.until(task, "done");
    let run = &runs(&shown)[0]["run_id"];
    let expected = format!("{task} a title; not $(a shell) a body {run} {{plain}}\n");
    assert_eq!(home.read("facts"), expected);
    assert!(home.read("context").starts_with('/'));
}

fn a_log_says_each_move_with_its_ids_and_never_a_whole_claim_lock(on: Database) {
    let home = on.home();
    let dispatcher = home.serve();
    let env = home.at("env");
    let task = home.add(&[], &["env", &env]);
    home.until(task, "done");
    let log = wait_until("the end is logged", || {
        let log = dispatcher.log();
        log.contains("completed").then_some(log)
    });
    let seen: Value = serde_json::from_str(&home.read("env")).unwrap();
    let lock = seen["env"]["TENURE_CLAIM_LOCK"].as_str().unwrap();
    let secret = lock.split(':').nth(1).unwrap();
    assert!(!log.contains(secret), "the log shows a claim lock");
    assert!(log.contains("task.id"), "{log}");
    assert!(log.contains("run.outcome"), "{log}");
}

fn where_no_warden_program_lies_beside_it_tenure_itself_stands_over_workers(on: Database) {
    let mut home = on.home();
    let alone = home.lone_program().display().to_string();
    let _dispatcher = home.serve();
    let script = "tr '\\0' ' ' < /proc/$PPID/cmdline > warden; echo >> warden; \
                  \"$TENURE_BIN\" guard check";
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-euc", script])
        .ok();
    home.until(added.json()["id"].as_i64().unwrap(), "done");
    assert_eq!(home.read("warden").trim(), format!("{alone} guard exec"));
}

fn where_the_warden_program_lies_beside_it_that_stands_over_workers(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let script = "tr '\\0' ' ' < /proc/$PPID/cmdline > warden; echo >> warden";
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", script])
        .ok();
    home.until(added.json()["id"].as_i64().unwrap(), "done");
    assert!(
        home.read("warden").trim().ends_with("tenure-e2e-warden"),
        "{}",
        home.read("warden")
    );
}
