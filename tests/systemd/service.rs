//! The service of the system: what ends a dispatcher leaves its workers alive, except for a stop.

use serde_json::Value;
use tenure_tests::slot::Slot;
use tenure_tests::wait_until;

use crate::machine::{Machine, machine, only_run};

const UNIT: &str = "tenured.service";
const STATE: &str = "/var/lib/tenure";

/// A worker that only an end from outside ends; its task.
#[track_caller]
fn add_worker(machine: &Machine) -> String {
    let added = machine.tenure(
        STATE,
        &[
            "add",
            "--json",
            "--cwd",
            "/",
            "--",
            "fixture-worker",
            "hang",
        ],
    );
    added.ok().json()["id"].to_string()
}

#[track_caller]
fn show(machine: &Machine, task: &str) -> Value {
    machine.tenure(STATE, &["show", task, "--json"]).ok().json()
}

/// Waits until the worker of this attempt runs; its pid.
#[track_caller]
fn worker(machine: &Machine, task: &str, attempt: usize) -> i64 {
    wait_until("the worker runs", || {
        show(machine, task)["runs"].as_array()?.get(attempt - 1)?["pid"].as_i64()
    })
}

/// Insists that the run that was open is open still, in the hands of the new dispatcher.
#[track_caller]
fn is_adopted(machine: &Machine, task: &str, worker: i64, main: &str) {
    let shown = show(machine, task);
    let run = only_run(&shown);
    assert_eq!(
        run["status"],
        "running",
        "{shown:#}\n{}",
        machine.journal(UNIT)
    );
    assert!(machine.lives(worker), "{}", machine.journal(UNIT));
    let taken_up = "lifeline taken up";
    let said = ["journalctl", "-o", "cat", "--no-pager"];
    let of_main = format!("_PID={main}");
    wait_until("the new dispatcher took the run up", || {
        let journal = machine.root(&[said.as_slice(), &[of_main.as_str()]].concat());
        journal.out.contains(taken_up).then_some(())
    });
}

#[test]
fn workers_survive_a_restart_a_crash_and_the_watchdog_and_end_with_a_stop() {
    let _slot = Slot::take();
    let Some(machine) = machine() else { return };
    // Long enough for a busy machine, and short enough to wait for.
    machine.write(
        "/run/systemd/system/tenured.service.d/test.conf",
        "[Service]\nWatchdogSec=9s\n",
    );
    let _ = machine.root(&["systemctl", "daemon-reload"]).ok();
    machine.systemctl("start", UNIT);
    let first = machine.property(UNIT, "MainPID");
    assert_eq!(machine.property(UNIT, "User"), "tenure");
    wait_until("the status tells of the slots", || {
        let status = machine.property(UNIT, "StatusText");
        status
            .contains("slots used; the store answers")
            .then_some(())
    });

    let task = add_worker(machine);
    let pid = worker(machine, &task, 1);

    machine.systemctl("restart", UNIT);
    let second = machine.until_another(UNIT, &first);
    is_adopted(machine, &task, pid, &second);

    kill_main(machine, "KILL");
    let third = machine.until_another(UNIT, &second);
    is_adopted(machine, &task, pid, &third);

    kill_main(machine, "STOP");
    let fourth = machine.until_another(UNIT, &third);
    is_adopted(machine, &task, pid, &fourth);
    let journal = machine.journal(UNIT);
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    assert!(journal.contains("it ended by watchdog"), "{journal}");

    stops_with_nothing_left(machine, &task, pid);
}

fn kill_main(machine: &Machine, signal: &str) {
    let signal = format!("--signal={signal}");
    let kill = ["systemctl", "kill", "--kill-whom=main", &signal, UNIT];
    let _ = machine.root(&kill).ok();
}

fn stops_with_nothing_left(machine: &Machine, task: &str, first: i64) {
    machine.systemctl("stop", UNIT);
    assert!(!machine.lives(first), "{}", machine.journal(UNIT));
    // Nothing leaves its cgroup, and the manager removes an empty one.
    let cgroup = "/sys/fs/cgroup/system.slice/tenured.service";
    wait_until("the unit's cgroup is gone", || {
        (machine.root(&["test", "-d", cgroup]).code != 0).then_some(())
    });
    let shown = show(machine, task);
    assert_eq!(only_run(&shown)["outcome"], "interrupted", "{shown:#}");
    assert_eq!(shown["task"]["status"], "ready", "{shown:#}");
    let journal = machine.journal(UNIT);
    assert!(journal.contains(&format!("task {task}, run")), "{journal}");
    // What settled was started by root, and left no file of root's.
    let foreign = machine.root(&["find", STATE, "!", "-user", "tenure"]).ok();
    assert_eq!(foreign.out, "");

    machine.systemctl("start", UNIT);
    let again = worker(machine, task, 2);
    machine.systemctl("stop", UNIT);
    assert!(!machine.lives(again), "{}", machine.journal(UNIT));
}

#[test]
fn a_wrong_configuration_is_not_tried_again() {
    let _slot = Slot::take();
    let Some(machine) = machine() else { return };
    machine.write("/etc/tenure/wrong.toml", "[dispatcher]\nslotz = 1\n");
    let unit = "tenured@wrong.service";
    let said = machine.root(&["systemctl", "start", unit]);
    assert_ne!(said.code, 0, "{said}");
    assert_eq!(machine.property(unit, "ActiveState"), "failed");
    assert_eq!(machine.property(unit, "ExecMainStatus"), "2");
    assert!(
        machine.journal(unit).contains("slotz"),
        "{}",
        machine.journal(unit)
    );
}

#[test]
fn a_warden_that_proc_hides_from_a_new_dispatcher_is_not_taken_for_dead() {
    let _slot = Slot::take();
    let Some(machine) = machine() else { return };
    let (unit, state) = ("tenured@hidden.service", "/var/lib/tenure-hidden");
    machine.write("/etc/tenure/hidden.toml", "");
    machine.systemctl("start", unit);
    let hang = ["add", "--cwd", "/", "--", "fixture-worker", "hang"];
    let _ = machine.tenure(state, &hang).ok();
    let show = || machine.tenure(state, &["show", "1", "--json"]).ok().json();
    let worker = wait_until("the worker runs", || {
        show()["runs"].as_array()?.last()?["pid"].as_i64()
    });
    machine.write(
        "/run/systemd/system/tenured@hidden.service.d/test.conf",
        "[Service]\nProtectProc=invisible\n",
    );
    let _ = machine.root(&["systemctl", "daemon-reload"]).ok();
    machine.systemctl("restart", unit);
    // Known by its inode. Kernels before 6.9 give none; there it is left alone until it can be seen.
    let has_inodes = kernel() >= (6, 9);
    wait_until("the new dispatcher took the run up", || {
        let journal = machine.journal(unit);
        (!has_inodes || journal.contains("lifeline taken up")).then_some(())
    });
    let shown = show();
    let journal = machine.journal(unit);
    assert_eq!(
        only_run(&shown)["status"],
        "running",
        "{shown:#}\n{journal}"
    );
    assert!(machine.lives(worker), "{journal}");
    machine.systemctl("stop", unit);
    assert!(!machine.lives(worker), "{}", machine.journal(unit));
}

/// The kernel's version.
fn kernel() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
