//! The store's address as a credential: read by the dispatcher, and by nobody else.

use serde_json::Value;
use tenure_tests::slot::Slot;
use tenure_tests::wait_until;

use crate::machine::{Machine, machine};

const UNIT: &str = "tenured@blue.service";
const STATE: &str = "/var/lib/tenure-blue";

/// Occurs in the address and nowhere else.
const CANARY: &str = "canary-4711";

#[track_caller]
fn show(machine: &Machine, store: &str) -> Value {
    machine
        .tenure(STATE, &["--db", store, "show", "1", "--json"])
        .ok()
        .json()
}

#[test]
fn the_address_in_a_credential_is_in_no_environment_and_no_log_of_the_service() {
    let _slot = Slot::take();
    let Some(machine) = machine() else { return };
    let store = format!("sqlite://{STATE}/{CANARY}.db");
    machine.write("/etc/credstore/tenure-blue.store-url", &store);
    machine.write(
        "/etc/tenure/blue.toml",
        "[profiles.wide]\ncommand = ['/usr/local/bin/fixture-worker', 'hang']\npass_env = ['*']\n",
    );
    machine.systemctl("start", UNIT);
    let main = machine.property(UNIT, "MainPID");
    let add = [
        "--db",
        &store,
        "add",
        "--assignee",
        "wide",
        "--title",
        "x",
        "--cwd",
        "/",
    ];
    let _ = machine.tenure(STATE, &add).ok();
    let worker = wait_until("the worker runs", || {
        show(machine, &store)["runs"].as_array()?.last()?["pid"].as_i64()
    });
    let environ = |pid: &str| {
        let said = machine.root(&["cat", &format!("/proc/{pid}/environ")]).ok();
        said.out
    };
    assert!(environ(&main).contains("CREDENTIALS_DIRECTORY="));
    assert!(!environ(&main).contains(CANARY));
    let worker_environ = environ(&worker.to_string());
    assert!(
        worker_environ.contains("TENURE_RUN_ID="),
        "{worker_environ}"
    );
    for secret in [
        CANARY,
        "CREDENTIALS_DIRECTORY",
        "NOTIFY_SOCKET",
        "WATCHDOG_",
    ] {
        assert!(
            !worker_environ.contains(secret),
            "{secret} in {worker_environ}"
        );
    }
    let file = format!("/run/credentials/{UNIT}/store-url");
    let stranger = machine.user("nobody", &[], &["cat", &file]);
    assert_ne!(stranger.code, 0, "{stranger}");

    // Whoever settles reads it too, though not as the service's user.
    machine.systemctl("stop", UNIT);
    assert!(!machine.lives(worker), "{}", machine.journal(UNIT));
    let shown = show(machine, &store);
    assert_eq!(shown["runs"][0]["outcome"], "interrupted", "{shown:#}");
}
