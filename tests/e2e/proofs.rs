//! The short forms of the programs that prove something by repeating it; the long forms take minutes to
//! hours, and their figures are in the history of this repository.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use tenure_tests::{Database, Said, postgres, program, skip};

on_both!(
    a_dispatcher_that_is_killed_again_and_again_loses_no_task_and_doubles_no_effect,
    every_worker_is_adopted_or_closed_rightly_however_its_dispatcher_is_restarted,
);

/// How long a short form may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(10);

/// Runs a program to its good end, and lets its figures be seen although the test passes.
#[track_caller]
fn proves(name: &str, flags: &[&str]) {
    let mut command = Command::new(program::folder().join(name));
    let said = Said::by_patiently(command.args(flags), PATIENCE).ok();
    let _ = writeln!(std::io::stderr(), "{name}: {}", said.out.trim_end());
}

#[test]
fn a_stranger_with_a_dead_ones_number_is_never_taken_for_it() {
    let allowed = Command::new("unshare")
        .args(["--pid", "--fork", "--mount-proc", "true"])
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        return skip("no pid namespace can be made here (it takes root): NO NUMBER WAS REUSED");
    }
    proves("pid-reuse", &["--count", "200", "--dispatchers", "2"]);
}

fn a_dispatcher_that_is_killed_again_and_again_loses_no_task_and_doubles_no_effect(on: Database) {
    // Some thirty kills.
    let few = ["--rounds", "1", "--tasks", "200"];
    proves("kill-loop", &[&few[..], on.flag()].concat());
}

fn every_worker_is_adopted_or_closed_rightly_however_its_dispatcher_is_restarted(on: Database) {
    let few = ["--restarts", "9", "--population", "20"];
    proves("restart-loop", &[&few[..], on.flag()].concat());
}

#[test]
fn three_hosts_on_one_server_lose_no_task_and_double_no_effect_whatever_fails_under_them() {
    let lacking = ["ip", "tc", "cc"].into_iter().find(|program| {
        let asked = Command::new(program).arg("--help").output();
        asked.is_err()
    });
    if let Some(program) = lacking {
        return skip(&format!("{program} is not installed: NO HOST FAILED"));
    }
    let allowed = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--ipc",
            "--pid",
            "--fork",
            "--mount-proc",
        ])
        .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .status();
    if !nix::unistd::Uid::effective().is_root() || !allowed.is_ok_and(|status| status.success()) {
        return skip(
            "no network and pid namespaces can be made here (it takes root): NO HOST FAILED",
        );
    }
    if postgres::database().is_some() {
        proves("nemesis", &["--steps", "20", "--seed", "5"]);
    }
}

#[test]
fn four_dispatchers_on_one_server_run_each_task_once_and_each_has_its_share() {
    if postgres::database().is_some() {
        proves("shares", &["--tasks", "400", "--slots", "4"]);
    }
}
