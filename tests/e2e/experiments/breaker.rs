//! The breaker: one limit, in force everywhere, and a trip that only a person undoes.

use std::collections::BTreeSet;

use tenure_tests::Database;
use tenure_tests::home::{outcomes, runs};

use super::{count, sweep_and_restart};

on_both!(
    equal_crashes_of_several_tasks_count_for_each_alone_and_every_trip_is_sticky,
    a_configured_limit_is_in_force_for_every_way_to_fail_and_trips_once,
    children_that_a_dispatcher_never_started_change_no_workers_end,
    no_word_in_an_error_keeps_a_task_from_being_tried_again,
);

fn equal_crashes_of_several_tasks_count_for_each_alone_and_every_trip_is_sticky(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 2");
    let mut dispatcher = home.serve();
    let tasks = [0; 3].map(|_| home.add(&[], &["print-error", "no such host", "abort"]));
    let before = tasks.map(|task| home.until(task, "blocked"));
    for shown in &before {
        assert_eq!(outcomes(shown), ["crashed"; 2]);
        assert_eq!(count(shown, "gave_up"), 1);
    }
    sweep_and_restart(&home, &mut dispatcher);
    for (task, before) in tasks.iter().zip(before) {
        let after = home.show(*task);
        assert_eq!(after["task"], before["task"]);
        assert_eq!(after["events"], before["events"]);
    }
}

fn a_configured_limit_is_in_force_for_every_way_to_fail_and_trips_once(on: Database) {
    let home = on.home_with(
        "[defaults]\nmax_failures = 5\nmax_runtime = '1s'\n[dispatcher]\nkill_grace = '100ms'",
    );
    let mut dispatcher = home.serve();
    let ways: [(&[&str], &str); 3] = [
        (&["signal", "11"], "crashed"),
        (&["exit", "3"], "failed"),
        (&["hang"], "timed_out"),
    ];
    let tasks = ways.map(|(steps, outcome)| (home.add(&[], steps), outcome));
    let nowhere = home.tenure(&["add", "--json", "--", "/nowhere/at-all"]);
    let nowhere = (nowhere.ok().json()["id"].as_i64().unwrap(), "spawn_failed");
    for (task, outcome) in tasks.into_iter().chain([nowhere]) {
        let shown = home.until(task, "blocked");
        assert_eq!(outcomes(&shown), [outcome; 5]);
        assert_eq!(count(&shown, "gave_up"), 1, "one trip, one event");
    }
    let before = tasks.map(|(task, _)| home.show(task));
    sweep_and_restart(&home, &mut dispatcher);
    for before in before {
        let task = before["task"]["id"].as_i64().unwrap();
        assert_eq!(home.show(task)["task"], before["task"]);
    }
}

fn children_that_a_dispatcher_never_started_change_no_workers_end(on: Database) {
    let mut home = on.home_with("[defaults]\nmax_failures = 1\nmax_defers = 1\ndefer_for = '10ms'");
    // They become the dispatcher's own children by its exec, and end all through the test, with
    // codes that would mean something if they were anybody's worker.
    home.after(
        "if [ \"$1\" = serve ]; then i=10; while [ $i -lt 50 ]; do i=$((i + 1)); \
         (sleep 0.$i; exit 75) & (sleep 1.$i; exit 3) & sh -c \"sleep 2.$i; kill -9 \\$\\$\" & \
         done; fi",
    );
    let _dispatcher = home.serve();
    let ways: [(&[&str], &str); 4] = [
        (&["exit", "0"], "completed"),
        (&["exit", "75"], "deferred"),
        (&["exit", "3"], "failed"),
        (&["abort"], "crashed"),
    ];
    let tasks: Vec<(i64, &str)> = (0..6)
        .flat_map(|_| ways)
        .map(|(steps, outcome)| (home.add(&[], &[&["sleep", "150"], steps].concat()), outcome))
        .collect();
    for (task, outcome) in tasks {
        let status = if outcome == "completed" {
            "done"
        } else {
            "blocked"
        };
        assert_eq!(outcomes(&home.until(task, status)), [outcome]);
    }
}

fn no_word_in_an_error_keeps_a_task_from_being_tried_again(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 4");
    let _dispatcher = home.serve();
    let words =
        "403 forbidden: the author's quota, billing and subscription were denied (auth 429)";
    let worker = tenure_tests::program::worker().display().to_string();
    let script = format!(
        "[ $TENURE_ATTEMPT = 4 ] && exec {worker} complete well; \
         echo \"$0\"; exec {worker} fail \"$0\""
    );
    let flags = [
        "add", "--json", "--title", words, "--", "sh", "-c", &script, words,
    ];
    let added = home.tenure(&flags).ok().json();
    let shown = home.until(added["id"].as_i64().unwrap(), "done");
    assert_eq!(
        outcomes(&shown),
        ["failed", "failed", "failed", "completed"]
    );
    assert_eq!(runs(&shown)[0]["reason"], words);
    let kinds: BTreeSet<&str> = tenure_tests::home::event_kinds(&shown)
        .into_iter()
        .collect();
    let known = ["added", "claimed", "due", "ended", "reported", "started"];
    assert!(kinds.is_subset(&known.into()), "{kinds:?}");
}
