//! The short forms of the programs that prove something by repeating it; the long forms take minutes to
//! hours, and their figures are in the history of this repository.

use std::io::Write;
use std::process::Command;

use tenure_tests::{Said, program, skip};

/// Runs a program to its good end, and lets its figures be seen although the test passes.
#[track_caller]
fn proves(name: &str, flags: &[&str]) {
    let said = Said::by(Command::new(program::folder().join(name)).args(flags)).ok();
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

#[test]
fn a_dispatcher_that_is_killed_again_and_again_loses_no_task_and_doubles_no_effect() {
    // Some thirty kills.
    proves("kill-loop", &["--rounds", "1", "--tasks", "200"]);
}

#[test]
fn every_worker_is_adopted_or_closed_rightly_however_its_dispatcher_is_restarted() {
    proves("restart-loop", &["--restarts", "9", "--population", "20"]);
}
