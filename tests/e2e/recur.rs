//! Tasks that run again and again, as people see them.

use serde_json::Value;
use tenure_tests::home::Home;
use tenure_tests::{Database, wait_until};

on_both!(
    a_task_recurs_until_the_one_that_waits_is_cancelled,
    a_task_that_is_replaced_is_ended_although_every_slot_is_taken,
    times_are_shown_and_those_that_make_no_sense_are_refused_by_name,
    a_task_file_says_when_and_how_often,
);

/// All tasks of a home.
fn tasks(home: &Home) -> Vec<Value> {
    let listed = home.tenure(&["list", "--all", "--json"]).ok().json();
    listed.as_array().unwrap().clone()
}

fn count(home: &Home, status: &str) -> usize {
    let tasks = tasks(home);
    tasks.iter().filter(|task| task["status"] == status).count()
}

fn a_task_recurs_until_the_one_that_waits_is_cancelled(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let first = home.add(&["--every", "1s", "--title", "tick"], &["exit", "0"]);
    wait_until("three are done", || {
        (count(&home, "done") >= 3).then_some(())
    });
    let rows = tasks(&home);
    assert!(rows.iter().all(|row| row["series_id"] == first));
    let text = home.tenure(&["show", &first.to_string()]).ok();
    assert!(
        text.out.contains("every 1s, overlap skip, catch-up one"),
        "{text}"
    );
    let cancelled = wait_until("the one that waits is cancelled", || {
        let waiting = tasks(&home);
        let waiting = waiting.iter().find(|row| row["status"] == "scheduled")?;
        let id = waiting["id"].to_string();
        // Its time may just have come.
        (home.tenure(&["cancel", &id]).code == 0).then_some(id)
    });
    if count(&home, "scheduled") == 0 {
        let last = tasks(&home).pop().unwrap();
        assert_eq!(last["id"].to_string(), cancelled);
    }
}

fn a_task_that_is_replaced_is_ended_although_every_slot_is_taken(on: Database) {
    let home = on.home_with("[dispatcher]\nslots = 1");
    let _dispatcher = home.serve();
    let first = home.add(&["--every", "1s", "--overlap", "replace"], &["hang"]);
    let ended = home.until(first, "cancelled");
    let run = &ended["runs"][0];
    assert_eq!(run["outcome"], "cancelled");
    assert_eq!(run["ask_by"], "tenure");
    wait_until("another one runs", || {
        (count(&home, "running") == 1).then_some(())
    });
}

fn times_are_shown_and_those_that_make_no_sense_are_refused_by_name(on: Database) {
    let home = on.home();
    let zone = ["--cron", "0 3 * * *", "--time-zone", "Europe/Berlin"];
    let id = home.add(&zone, &["exit", "0"]).to_string();
    let listed = home.tenure(&["list"]).ok();
    assert!(
        listed
            .out
            .contains("scheduled (cron 0 3 * * * Europe/Berlin)"),
        "{listed}"
    );
    let shown = home.tenure(&["show", &id, "--json"]).ok().json();
    assert_eq!(
        shown["task"]["recurrence"]["times"]["cron"]["time_zone"],
        "Europe/Berlin"
    );
    assert!(shown["task"]["not_before"].is_string());
    for (flags, words) in [
        (
            &["--delay", "1m", "--not-before", "+1m"][..],
            &["delay"][..],
        ),
        (
            &["--every", "1s", "--cron", "* * * * *"],
            &["every", "cron"],
        ),
        (&["--every", "10ms"], &["every 10ms", "at least 1s"]),
        (&["--cron", "0 3 30 2 *"], &["never comes"]),
        (&["--cron", "soon"], &["\"soon\"", "five fields"]),
        (
            &["--cron", "0 3 * * *", "--time-zone", "Atlantis"],
            &["\"Atlantis\"", "Europe/Berlin"],
        ),
        (&["--every", "1h", "--time-zone", "UTC"], &["time_zone"]),
        (&["--overlap", "queue"], &["overlap", "every or cron"]),
        (
            &["--every", "1h", "--catch-up", "some"],
            &["some", "skip, one, all"],
        ),
    ] {
        let mut arguments = vec!["add"];
        arguments.extend(flags);
        arguments.extend(["--", "true"]);
        let _ = home.tenure(&arguments).with_code(2).mentions(words);
    }
    assert_eq!(tasks(&home).len(), 1);
}

fn a_task_file_says_when_and_how_often(on: Database) {
    let home = on.home();
    let file = home.write(
        "work/tasks.toml",
        "[[task]]\ncommand = ['true']\ndelay = '1h'\n[[task]]\ncommand = ['true']\ncron = '@daily'\ntime_zone = 'Europe/Berlin'\noverlap = 'queue'\ncatch_up = 'all'\n",
    );
    let file = file.display().to_string();
    let _ = home.tenure(&["submit", &file]).ok();
    let rows = tasks(&home);
    assert!(
        rows.iter().all(|row| row["status"] == "scheduled"),
        "{rows:?}"
    );
    assert_eq!(rows[1]["recurrence"]["overlap"], "queue");
    assert_eq!(rows[1]["recurrence"]["catch_up"], "all");
    home.write(
        "work/tasks.toml",
        "[[task]]\nname = 'a'\ncommand = ['true']\nevery = 60\n",
    );
    let _ = home
        .tenure(&["submit", &file])
        .with_code(2)
        .mentions(&["tasks.toml", "\"a\""]);
}
