//! The service of one user, under that user's own manager.

use tenure_tests::Said;
use tenure_tests::slot::Slot;
use tenure_tests::wait_until;

use crate::machine::{Machine, machine, only_run};

/// Runs a program as the user to whom the manager belongs.
#[track_caller]
fn ada(machine: &Machine, command: &[&str]) -> Said {
    let variables = ["HOME=/home/ada", "XDG_RUNTIME_DIR=/run/user-of-ada"];
    machine.user("ada", &variables, command)
}

#[track_caller]
fn systemctl(machine: &Machine, arguments: &[&str]) -> Said {
    ada(machine, &[&["systemctl", "--user"], arguments].concat())
}

#[test]
fn a_users_service_keeps_its_workers_over_a_restart_and_ends_them_with_a_stop() {
    let _slot = Slot::take();
    let Some(machine) = machine() else { return };
    machine.systemctl("start", "ada.service");
    let journal = || machine.journal("ada.service");
    let started = systemctl(machine, &["start", "tenured"]);
    assert_eq!(started.code, 0, "{started}\n{}", journal());
    let add = [
        "tenure",
        "add",
        "--cwd",
        "/",
        "--",
        "fixture-worker",
        "hang",
    ];
    let _ = ada(machine, &add).ok();
    let show = || ada(machine, &["tenure", "show", "1", "--json"]).ok().json();
    let worker = wait_until("the worker runs", || {
        show()["runs"].as_array()?.last()?["pid"].as_i64()
    });

    let _ = systemctl(machine, &["restart", "tenured"]).ok();
    let shown = show();
    assert_eq!(only_run(&shown)["status"], "running", "{shown:#}");
    assert!(machine.lives(worker), "{}", journal());

    let _ = systemctl(machine, &["stop", "tenured"]).ok();
    assert!(!machine.lives(worker), "{}", journal());
    let shown = show();
    assert_eq!(only_run(&shown)["outcome"], "interrupted", "{shown:#}");
}
