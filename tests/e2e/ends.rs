//! Every way in which a run can end, and what it counts toward.

use std::time::Duration;

use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::process::{Process, Signal};
use tenure_tests::{Database, Home, wait_until};

on_both!(
    a_clean_exit_without_a_report_is_a_violation_and_at_its_limit_the_task_stays_blocked,
    a_non_zero_exit_fails_and_the_limit_in_the_configuration_is_the_one_in_force,
    a_failed_task_counts_one_and_waits_for_its_back_off,
    a_profile_and_a_task_have_limits_of_their_own_and_the_task_wins,
    a_79_by_a_worker_that_was_never_told_is_a_failure_and_says_so,
    stand_downs_in_a_row_reach_their_own_limit_and_the_block_names_the_variable,
    a_signal_that_nobody_sent_on_purpose_is_a_crash_and_says_which,
    a_command_that_cannot_be_executed_says_which_path_and_why,
    a_missing_folder_is_named_when_the_command_cannot_start_in_it,
    exit_75_defers_without_counting_as_a_failure_until_its_own_limit,
    exit_75_is_a_failure_where_the_configuration_says_off,
    a_run_over_its_time_is_ended_with_its_whole_tree,
    a_silent_worker_is_ended_and_one_that_beats_is_not,
    a_retry_inherits_neither_heartbeat_nor_grace_of_the_earlier_attempt,
    an_attempt_after_a_report_has_its_own_time_to_finish,
    a_worker_that_somebody_else_tells_to_end_is_interrupted,
);

fn a_clean_exit_without_a_report_is_a_violation_and_at_its_limit_the_task_stays_blocked(
    on: Database,
) {
    let home = on.home_with(&Home::profile(
        "mute",
        "violation_limit = 2\nprotocol = 'report'",
        &["exit", "0"],
    ));
    let mut dispatcher = home.serve();
    let task = home.add_for("mute", &[]);
    let shown = home.until(task, "blocked");
    assert_eq!(
        outcomes(&shown),
        ["protocol_violation", "protocol_violation"]
    );
    assert_eq!(shown["task"]["block_kind"], "gave_up");
    let reason = shown["task"]["block_reason"].as_str().unwrap();
    assert!(reason.contains("violation_limit"), "{reason}");
    assert_eq!(shown["task"]["failures"], 0);
    assert!(event_kinds(&shown).contains(&"gave_up"));

    // Sweeps and restarts: another task goes all the way through each time.
    for _ in 0..2 {
        dispatcher.signal(Signal::TERM);
        assert_eq!(dispatcher.ended(), Some(0));
        drop(dispatcher);
        dispatcher = home.serve();
        let other = home.add(&[], &["complete", "done"]);
        home.until(other, "done");
    }
    assert_eq!(home.show(task)["task"], shown["task"]);
    assert_eq!(outcomes(&home.show(task)).len(), 2);
}

fn a_non_zero_exit_fails_and_the_limit_in_the_configuration_is_the_one_in_force(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 5");
    let _dispatcher = home.serve();
    let five = home.add(&[], &["exit", "3"]);
    let one = home.add(&["--max-failures", "1"], &["exit", "3"]);
    for (task, limit) in [(five, 5), (one, 1)] {
        let shown = home.until(task, "blocked");
        assert_eq!(outcomes(&shown), vec!["failed"; limit]);
        assert_eq!(shown["task"]["failures"], limit);
        assert_eq!(shown["task"]["block_kind"], "gave_up");
        let reason = shown["task"]["block_reason"].as_str().unwrap();
        assert!(reason.contains("max_failures"), "{reason}");
        assert_eq!(runs(&shown)[0]["exit"]["code"], 3);
        assert_eq!(runs(&shown)[0]["reason"], "exit 3");
    }
}

fn a_failed_task_counts_one_and_waits_for_its_back_off(on: Database) {
    let home = on.home_with("[defaults]\nbackoff = { base = '1h', max = '1h' }");
    let _dispatcher = home.serve();
    let task = home.add(&[], &["exit", "3"]);
    let shown = home.until(task, "scheduled");
    assert_eq!(outcomes(&shown), ["failed"]);
    assert_eq!(shown["task"]["failures"], 1);
    assert!(shown["task"]["not_before"].is_string(), "{shown:#}");
    assert!(shown["task"]["current_run_id"].is_null());
}

fn a_profile_and_a_task_have_limits_of_their_own_and_the_task_wins(on: Database) {
    let profile = Home::profile("fails", "max_failures = 2", &["exit", "1"]);
    let home = on.home_with(&profile);
    let _dispatcher = home.serve();
    let two = home.add_for("fails", &[]);
    let three = home.add_for("fails", &["--max-failures", "3"]);
    assert_eq!(outcomes(&home.until(two, "blocked")).len(), 2);
    assert_eq!(outcomes(&home.until(three, "blocked")).len(), 3);
}

fn a_79_by_a_worker_that_was_never_told_is_a_failure_and_says_so(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let shown = home.until(home.add(&[], &["exit", "79"]), "blocked");
    assert_eq!(outcomes(&shown), ["failed"]);
    let reason = runs(&shown)[0]["reason"].as_str().unwrap();
    assert!(reason.contains("never told"), "{reason}");
}

fn stand_downs_in_a_row_reach_their_own_limit_and_the_block_names_the_variable(on: Database) {
    let home = on.home_with("[defaults]\nmax_benign = 3");
    let _dispatcher = home.serve();
    let worker = tenure_tests::program::worker();
    let script = format!(
        "unset TENURE_CLAIM_LOCK; exec {} stand-down",
        worker.display()
    );
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", &script])
        .ok();
    let shown = home.until(added.json()["id"].as_i64().unwrap(), "blocked");
    assert_eq!(outcomes(&shown), ["stale"; 3]);
    assert_eq!(shown["task"]["block_kind"], "gave_up");
    assert_eq!(shown["task"]["failures"], 0);
    let reason = shown["task"]["block_reason"].as_str().unwrap();
    assert!(reason.contains("max_benign"), "{reason}");
    assert!(reason.contains("TENURE_CLAIM_LOCK"), "{reason}");
}

fn a_signal_that_nobody_sent_on_purpose_is_a_crash_and_says_which(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    for (steps, signal) in [
        (&["signal", "9"][..], 9),
        (&["signal", "11"], 11),
        (&["abort"], 6),
        (&["signal", "15"], 15),
    ] {
        let shown = home.until(home.add(&[], steps), "blocked");
        assert_eq!(outcomes(&shown), ["crashed"], "{steps:?}");
        assert_eq!(runs(&shown)[0]["exit"]["signal"], signal);
    }
}

fn a_command_that_cannot_be_executed_says_which_path_and_why(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let script = home.write("work/not-executable", "#!/bin/sh\n");
    for (command, problem) in [
        ("/nowhere/at-all", "errno 2"),
        (script.to_str().unwrap(), "errno 13"),
        ("no-such-program-in-path", "errno 2"),
    ] {
        let added = home.tenure(&["add", "--json", "--", command]).ok().json();
        let shown = home.until(added["id"].as_i64().unwrap(), "blocked");
        assert_eq!(outcomes(&shown), ["spawn_failed"]);
        let reason = runs(&shown)[0]["reason"].as_str().unwrap();
        assert!(
            reason.contains(command) && reason.contains(problem),
            "{reason}"
        );
    }
}

fn a_missing_folder_is_named_when_the_command_cannot_start_in_it(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let shown = home.until(
        home.add(&["--cwd", "/nowhere/at-all"], &["exit", "0"]),
        "blocked",
    );
    assert_eq!(outcomes(&shown), ["spawn_failed"]);
    let reason = runs(&shown)[0]["reason"].as_str().unwrap();
    assert!(reason.contains("/nowhere/at-all"), "{reason}");
}

fn exit_75_defers_without_counting_as_a_failure_until_its_own_limit(on: Database) {
    let home = on.home_with("[defaults]\ndefer_for = '10ms'\nmax_defers = 3");
    let _dispatcher = home.serve();
    let shown = home.until(home.add(&[], &["exit", "75"]), "blocked");
    assert_eq!(outcomes(&shown), ["deferred"; 3]);
    assert_eq!(shown["task"]["failures"], 0);
    let reason = shown["task"]["block_reason"].as_str().unwrap();
    assert!(reason.contains("max_defers"), "{reason}");
}

fn exit_75_is_a_failure_where_the_configuration_says_off(on: Database) {
    let home = on.home_with("[defaults]\ntempfail_exit = 'off'\nmax_failures = 1");
    let _dispatcher = home.serve();
    let shown = home.until(home.add(&[], &["exit", "75"]), "blocked");
    assert_eq!(outcomes(&shown), ["failed"]);
}

fn a_run_over_its_time_is_ended_with_its_whole_tree(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1");
    let _dispatcher = home.serve();
    let left = home.at("left");
    let steps = [
        "orphan",
        "ignore-term",
        "append",
        &left,
        "{pid}",
        "hang",
        "end",
        "hang",
    ];
    let task = home.add(&["--max-runtime", "2s"], &steps);
    let orphan: i32 = home.until_written("left").trim().parse().unwrap();
    let orphan = Process::now(orphan).expect("the orphan lives while its run does");
    let shown = home.until(task, "blocked");
    assert_eq!(outcomes(&shown), ["timed_out"]);
    assert!(!orphan.lives(), "a process of the run outlived it");
}

fn a_silent_worker_is_ended_and_one_that_beats_is_not(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1\nheartbeat_timeout = '3s'");
    let _dispatcher = home.serve();
    let silent = home.add(&[], &["hang"]);
    let lively = home.add(&[], &["heartbeats", "200", "25"]);
    assert_eq!(outcomes(&home.until(silent, "blocked")), ["silent"]);
    assert_eq!(outcomes(&home.until(lively, "done")), ["completed"]);
}

/// Seconds between two times that `show` told.
fn seconds(from: &serde_json::Value, to: &serde_json::Value) -> f64 {
    let parse = |value: &serde_json::Value| -> jiff::Timestamp {
        value
            .as_str()
            .expect("a time is told")
            .parse()
            .expect("RFC 3339")
    };
    parse(to).duration_since(parse(from)).as_secs_f64()
}

fn a_retry_inherits_neither_heartbeat_nor_grace_of_the_earlier_attempt(on: Database) {
    let timeout = Duration::from_secs(2);
    let home = on.home_with("[defaults]\nmax_failures = 2\nheartbeat_timeout = '2s'");
    let _dispatcher = home.serve();
    let worker = tenure_tests::program::worker().display().to_string();
    let script =
        format!("[ $TENURE_ATTEMPT = 1 ] && exec {worker} heartbeat hang; exec {worker} hang");
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", &script])
        .ok();
    let shown = home.until(added.json()["id"].as_i64().unwrap(), "blocked");
    assert_eq!(outcomes(&shown), ["silent", "silent"]);
    let (first, second) = (&runs(&shown)[0], &runs(&shown)[1]);
    assert!(first["heartbeat_at"].is_string());
    assert!(
        second["heartbeat_at"].is_null(),
        "inherited a heartbeat: {second:#}"
    );
    for run in [first, second] {
        let lived = seconds(&run["started_at"], &run["ended_at"]);
        assert!(
            lived + 0.1 >= timeout.as_secs_f64(),
            "ended after {lived} s: {run:#}"
        );
    }
}

fn an_attempt_after_a_report_has_its_own_time_to_finish(on: Database) {
    let home = on.home_with("[dispatcher]\nfinish_grace = '300ms'\nkill_grace = '300ms'");
    let _dispatcher = home.serve();
    let worker = tenure_tests::program::worker().display().to_string();
    let script = format!(
        "[ $TENURE_ATTEMPT = 1 ] && exec {worker} fail why ignore-term hang; \
         exec {worker} sleep 1500 complete done"
    );
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", &script])
        .ok();
    let shown = home.until(added.json()["id"].as_i64().unwrap(), "done");
    assert_eq!(outcomes(&shown), ["failed", "completed"]);
    assert_eq!(runs(&shown)[0]["reason"], "why");
}

fn a_worker_that_somebody_else_tells_to_end_is_interrupted(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let began = home.at("began");
    let worker = tenure_tests::program::worker().display().to_string();
    let script =
        format!("[ $TENURE_ATTEMPT = 1 ] && exec {worker} append {began} began hang; exit 0");
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", &script])
        .ok();
    let task = added.json()["id"].as_i64().unwrap();
    home.until_written("began");
    let warden = wait_until("the run has a warden", || {
        let pid = runs(&home.show(task))[0]["warden_pid"].as_i64()?;
        Process::now(i32::try_from(pid).ok()?)
    });
    warden.signal(Signal::TERM);
    let shown = home.until(task, "done");
    assert_eq!(outcomes(&shown), ["interrupted", "completed"]);
    assert_eq!(shown["task"]["failures"], 0);
}
