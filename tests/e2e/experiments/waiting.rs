//! Tasks that wait: for room, for a person, for another task.

use tenure_tests::home::{event_kinds, outcomes};
use tenure_tests::{Database, Home, wait_until};

use super::{sweep, sweep_and_restart};

on_both!(
    two_caps_together_leave_the_room_that_the_narrower_one_leaves,
    a_task_that_was_blocked_before_it_could_start_waits_for_a_person_whatever_sweeps,
    a_worker_that_waits_again_and_again_for_what_is_over_comes_to_a_bound,
    a_worker_that_waits_for_a_task_goes_on_behind_it,
    a_worker_that_blocks_again_and_again_can_be_let_go_on_each_time_and_comes_to_a_bound,
);

/// A worker that says when it begins and ends, and waits for a word in between.
fn counted(began: &'static str, ended: &'static str) -> [&'static str; 8] {
    [
        "append", "effects", began, "wait-for", "go", "append", "effects", ended,
    ]
}

/// The most that ran at once of those whose lines end so.
fn most(effects: &str, profile: &str) -> i32 {
    let (mut now, mut most) = (0, 0);
    for line in effects.lines().filter(|line| line.ends_with(profile)) {
        now += if line.starts_with('+') { 1 } else { -1 };
        most = most.max(now);
    }
    most
}

fn two_caps_together_leave_the_room_that_the_narrower_one_leaves(on: Database) {
    let capped = Home::profile("capped", "max_running = 4", &counted("+capped", "-capped"));
    let home = on.home_with(&format!("[dispatcher]\nslots = 5\n{capped}"));
    let _dispatcher = home.serve();
    let began = |count: usize| {
        wait_until(&format!("{count} began"), || {
            (home.read("effects").lines().count() == count).then_some(())
        });
    };
    let mut tasks = vec![home.add_for("capped", &[]), home.add_for("capped", &[])];
    began(2);
    tasks.extend((0..5).map(|_| home.add_for("capped", &[])));
    began(4);
    tasks.extend((0..3).map(|_| home.add(&[], &counted("+own", "-own"))));
    began(5);
    home.touch("go");
    for task in tasks {
        home.until(task, "done");
    }
    let effects = home.read("effects");
    assert_eq!(
        (most(&effects, "capped"), most(&effects, "")),
        (4, 5),
        "{effects}"
    );
}

fn a_task_that_was_blocked_before_it_could_start_waits_for_a_person_whatever_sweeps(on: Database) {
    let home = on.home();
    let done = home.at("done");
    let task = home.add(&["--not-before", "+1h"], &["append", &done, "x"]);
    let block = [
        "block",
        &task.to_string(),
        "--kind",
        "operator",
        "--reason",
        "not yet",
    ];
    let _ = home.tenure(&block).ok();
    let mut dispatcher = home.serve();
    sweep_and_restart(&home, &mut dispatcher);
    let shown = home.show(task);
    assert_eq!(shown["task"]["status"], "blocked");
    assert_eq!(event_kinds(&shown), ["added", "blocked"]);
    let _ = home.tenure(&["unblock", &task.to_string()]).ok();
    sweep(&home);
    assert_eq!(
        home.show(task)["task"]["status"],
        "scheduled",
        "its time still counts"
    );
    assert_eq!(home.read("done"), "");
    let _ = home.tenure(&["promote", &task.to_string()]).ok();
    home.until(task, "done");
}

fn a_worker_that_waits_again_and_again_for_what_is_over_comes_to_a_bound(on: Database) {
    let home = on.home_with("[defaults]\nmax_blocks = 3");
    let mut dispatcher = home.serve();
    let over = home.add(&[], &["exit", "0"]);
    home.until(over, "done");
    let over = over.to_string();
    let script = format!("\"$TENURE_BIN\" block --after {over}");
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let task = added.ok().json()["id"].as_i64().unwrap();
    let shown = home.until(task, "blocked");
    assert_eq!(outcomes(&shown), ["blocked"; 3]);
    assert_eq!(shown["task"]["block_kind"], "gave_up");
    let story = shown["task"]["block_reason"].as_str().unwrap();
    for part in ["max_blocks", &over] {
        assert!(story.contains(part), "{part} is missing in {story}");
    }
    sweep_and_restart(&home, &mut dispatcher);
    assert_eq!(home.show(task)["task"], shown["task"]);
}

fn a_worker_that_waits_for_a_task_goes_on_behind_it(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let (go, order) = (home.at("go"), home.at("order"));
    let first = home.add(&[], &["wait-for", &go, "append", &order, "first"]);
    let script = format!(
        "[ $TENURE_ATTEMPT = 1 ] && exec \"$TENURE_BIN\" block --after {first}; echo second >> {order}"
    );
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let second = added.ok().json()["id"].as_i64().unwrap();
    let shown = home.until(second, "todo");
    assert_eq!(shown["parents"][0]["id"], first);
    sweep(&home);
    assert_eq!(home.show(second)["task"]["status"], "todo");
    home.touch("go");
    home.until(second, "done");
    assert_eq!(home.read("order"), "first\nsecond\n");
}

fn a_worker_that_blocks_again_and_again_can_be_let_go_on_each_time_and_comes_to_a_bound(
    on: Database,
) {
    let home = on.home_with("[defaults]\nmax_blocks = 3");
    let _dispatcher = home.serve();
    let worker = tenure_tests::program::worker().display().to_string();
    let script = format!(
        "[ $TENURE_ATTEMPT = 5 ] && exec {worker} complete well; exec {worker} block which?"
    );
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let task = added.ok().json()["id"].as_i64().unwrap();
    for kind in ["needs_input", "needs_input", "gave_up", "needs_input"] {
        let shown = home.until(task, "blocked");
        assert_eq!(shown["task"]["block_kind"], kind, "{shown:#}");
        let _ = home.tenure(&["unblock", &task.to_string()]).ok();
    }
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown)[..4], ["blocked"; 4]);
    assert_eq!(outcomes(&shown)[4], "completed");
}
