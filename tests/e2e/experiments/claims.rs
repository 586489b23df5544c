//! Claims and what is left of them: old heartbeats, strangers with a run's pid, late words.

use std::process::{Command, Stdio};

use tenure_tests::home::{event_kinds, outcomes, runs};
use tenure_tests::process::{Process, Signal};
use tenure_tests::{Database, Home, Said, wait_until};

use super::sweep_and_restart;
use crate::claimed;

on_both!(
    a_worker_without_heartbeats_outlives_its_lease_whatever_the_attempt_before_it_said,
    a_stranger_that_has_the_number_of_a_dead_warden_is_not_killed_by_a_reclaim,
    whatever_a_worker_says_after_its_task_is_done_is_refused_and_changes_nothing,
    a_stale_runs_time_limit_ends_neither_the_run_nor_the_claim_of_its_successor,
);

fn a_worker_without_heartbeats_outlives_its_lease_whatever_the_attempt_before_it_said(
    on: Database,
) {
    let home = on.home_with("[dispatcher]\nlease = '6s'");
    let _dispatcher = home.serve();
    let worker = tenure_tests::program::worker().display().to_string();
    // Longer than the lease, and than any margin beyond it.
    let script = format!(
        "[ $TENURE_ATTEMPT = 1 ] && exec {worker} heartbeat fail first; \
         exec {worker} sleep 9000 complete second"
    );
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let shown = home.until(added.ok().json()["id"].as_i64().unwrap(), "done");
    assert_eq!(outcomes(&shown), ["failed", "completed"]);
    assert!(runs(&shown)[0]["heartbeat_at"].is_string());
    assert!(runs(&shown)[1]["heartbeat_at"].is_null());
}

/// Writes another process into the open run, as if that were its warden's number now.
fn claim_that_the_warden_is(home: &Home, stranger: Process) {
    home.forge(format!(
        "UPDATE runs SET warden_pid = {} WHERE ended_at IS NULL",
        stranger.pid
    ));
}

fn a_stranger_that_has_the_number_of_a_dead_warden_is_not_killed_by_a_reclaim(on: Database) {
    let home = on.home();
    let mut dispatcher = home.serve();
    let began = home.at("began");
    let worker = tenure_tests::program::worker().display().to_string();
    let script =
        format!("[ $TENURE_ATTEMPT = 1 ] && exec {worker} append {began} {{pid}} hang; exit 0");
    let added = home.tenure(&["add", "--json", "--", "sh", "-c", &script]);
    let task = added.ok().json()["id"].as_i64().unwrap();
    let worker = Process::now(home.until_written("began").trim().parse().unwrap()).unwrap();
    let warden = wait_until("the warden is written down", || {
        let pid = runs(&home.show(task))[0]["warden_pid"].as_i64()?;
        Process::now(i32::try_from(pid).ok()?)
    });
    dispatcher.crash();
    warden.signal(Signal::KILL);
    wait_until("the worker died with its warden", || {
        (!worker.lives()).then_some(())
    });

    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let stranger = Process::now(i32::try_from(child.id()).unwrap()).unwrap();
    claim_that_the_warden_is(&home, stranger);

    let _ = home.tenure(&["reclaim", &task.to_string()]).ok();
    let lives = stranger.lives();
    assert_eq!(outcomes(&home.show(task)), ["reclaimed"]);
    dispatcher.launch_again(&home);
    dispatcher.until_ready();
    home.until(task, "done");
    let still_lives = stranger.lives();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lives && still_lives, "a stranger was taken for a warden");
}

fn whatever_a_worker_says_after_its_task_is_done_is_refused_and_changes_nothing(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1\nmax_runtime = '1s'");
    let task = home.add(&[], &["exit", "0"]);
    let open = home.store();
    let old = claimed::claim(&open).tenure;
    claimed::take_back(&open, &old);
    let mut dispatcher = home.serve();
    let before = home.until(task, "done");
    for words in [
        &["fail", "--reason", "out of budget"][..],
        &["block", "--kind", "needs_input", "--reason", "which?"],
        &["defer", "--for", "5m"],
        &["complete", "--summary", "late"],
        &["heartbeat"],
        &["comment", "late"],
    ] {
        let said = Said::by(&mut claimed::as_worker(&home, &old, words));
        assert_eq!(said.code, 79, "{said}");
        assert!(said.err.contains("task_not_running:done"), "{said}");
    }
    sweep_and_restart(&home, &mut dispatcher);
    let after = home.show(task);
    assert_eq!(after["task"], before["task"]);
    assert_eq!(after["runs"], before["runs"]);
    assert_eq!(after["comments"], before["comments"]);
    assert!(!event_kinds(&after).contains(&"gave_up"));
}

fn a_stale_runs_time_limit_ends_neither_the_run_nor_the_claim_of_its_successor(on: Database) {
    let home = on.home_with("[defaults]\nmax_failures = 1\n[dispatcher]\nkill_grace = '200ms'");
    let task = home.add(&["--max-runtime", "2s"], &["exit", "0"]);
    let open = home.store();
    let old = claimed::claim(&open).tenure;
    let began = home.at("began");
    let steps = ["append", &began, "{pid}", "hang"];
    let mut warden = claimed::exec(&home, &old, &steps)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let worker = home.until_written("began");
    let worker = Process::now(worker.trim().parse().unwrap()).unwrap();
    claimed::take_back(&open, &old);
    let new = claimed::claim(&open).tenure;
    let before = home.show(task);
    wait_until("the stale worker's time is up and its warden gone", || {
        warden.try_wait().unwrap()
    });
    assert!(!worker.lives());
    let after = home.show(task);
    assert_eq!(after["task"], before["task"]);
    assert_eq!(after["task"]["current_run_id"], new.run.0);
    assert_eq!(runs(&after)[1], runs(&before)[1]);
    assert_eq!(outcomes(&after), ["reclaimed", "open"]);
}
