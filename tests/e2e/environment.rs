//! What a worker is given, and what it is not.

use std::collections::BTreeSet;

use serde_json::Value;
use tenure_guard::env;
use tenure_store::StoreUrl;
use tenure_tests::home::{mode, runs};
use tenure_tests::process::Process;
use tenure_tests::{Database, Home};

on_both!(
    a_worker_gets_the_whole_contract_and_nothing_that_was_not_passed_on,
    a_worker_stands_in_its_folder_with_its_own_session_and_no_strange_descriptors,
    what_a_run_leaves_behind_belongs_to_its_owner_alone,
);

fn a_worker_gets_the_whole_contract_and_nothing_that_was_not_passed_on(on: Database) {
    let dump = "{workspace}/env";
    let profile = Home::profile(
        "reviewer",
        "env = { COLOUR = 'blue', SHAPE = 'round' }\npass_env = ['PATH', 'LC_*']\nmax_runtime = '1h'",
        &["env", dump],
    );
    let home = on.home_with(&profile);
    let _dispatcher = home.serve();
    let task = home.add_for("reviewer", &["--env", "SHAPE=square"]);
    let shown = home.until(task, "done");
    let run = &runs(&shown)[0];
    let seen: Value = serde_json::from_str(&home.read("env")).unwrap();
    let seen = &seen["env"];

    assert_eq!(seen[env::CONTRACT], "1");
    assert_eq!(seen[env::TASK_ID], task.to_string());
    assert_eq!(seen[env::RUN_ID], run["run_id"].to_string());
    assert_eq!(seen[env::ATTEMPT], "1");
    assert_eq!(seen[env::PROFILE], "reviewer");
    assert_eq!(seen[env::WORKSPACE].as_str(), home.work().to_str());
    assert_eq!(seen[env::LEASE_SECS], "60");
    assert_eq!(
        seen[env::BIN].as_str(),
        tenure_tests::program::tenure().to_str()
    );
    assert!(
        seen[env::DEADLINE]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{seen:#}"
    );
    for path in [env::SOCKET, env::CONTEXT] {
        assert!(
            seen[path]
                .as_str()
                .is_some_and(|path| path.starts_with('/')),
            "{seen:#}"
        );
    }
    assert!(seen[env::CLAIM_LOCK].is_string());
    assert_eq!(
        (&seen["COLOUR"], &seen["SHAPE"]),
        (&"blue".into(), &"square".into())
    );

    let names: BTreeSet<&str> = seen
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let contract = [
        env::CONTRACT,
        env::TASK_ID,
        env::RUN_ID,
        env::CLAIM_LOCK,
        env::SOCKET,
        env::BIN,
        env::ATTEMPT,
        env::PROFILE,
        env::WORKSPACE,
        env::CONTEXT,
        env::LEASE_SECS,
        env::DEADLINE,
    ];
    let expected: BTreeSet<&str> = contract
        .into_iter()
        .chain(["COLOUR", "SHAPE", "PATH"])
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn no_worker_sees_the_stores_address_nor_another_runs_lock() {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let home = Home::on(&url, "");
    let _dispatcher = home.serve();
    let script = "tr '\\0' '\\n' < /proc/self/environ > environ; \
                  tr '\\0' ' ' < /proc/$PPID/cmdline > warden; echo >> warden";
    let added = home
        .tenure(&["add", "--json", "--", "sh", "-c", script])
        .ok();
    let shown = home.until(added.json()["id"].as_i64().unwrap(), "done");
    for file in ["environ", "warden"] {
        assert!(!home.read(file).contains("postgres"), "{}", home.read(file));
    }
    assert!(!shown.to_string().contains("claim_lock"), "{shown:#}");
}

fn a_worker_stands_in_its_folder_with_its_own_session_and_no_strange_descriptors(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    std::fs::create_dir(home.work().join("deep")).unwrap();
    let (fds, pid, cwd, go) = (
        home.at("fds"),
        home.at("pid"),
        home.at("cwd"),
        home.at("go"),
    );
    let steps = [
        "descriptors",
        &fds,
        "env",
        &cwd,
        "append",
        &pid,
        "{pid}",
        "wait-for",
        &go,
    ];
    let task = home.add(&["--cwd", "deep"], &steps);
    let worker = Process::now(home.until_written("pid").trim().parse().unwrap()).unwrap();
    // The worker may be faster than the word of its warden.
    let run = tenure_tests::wait_until("the worker is known", || {
        let run = runs(&home.show(task))[0].clone();
        run["pid"].is_i64().then_some(run)
    });
    assert_eq!(run["status"], "running");
    assert_eq!(run["pid"], worker.pid);
    assert_eq!(worker.session().map(i64::from), run["warden_pid"].as_i64());
    home.touch("go");
    home.until(task, "done");

    let descriptors = home.read("fds");
    let lines: Vec<&str> = descriptors
        .lines()
        .filter(|line| !line.is_empty())
        .collect();
    assert!(lines.contains(&"0 /dev/null"), "{descriptors}");
    let open: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(open, BTreeSet::from(["0", "1", "2"]), "{descriptors}");
    let seen: Value = serde_json::from_str(&home.read("cwd")).unwrap();
    assert_eq!(seen["cwd"].as_str(), home.work().join("deep").to_str());
}

fn what_a_run_leaves_behind_belongs_to_its_owner_alone(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let go = home.at("go");
    let task = home.add(&[], &["print", "hello", "wait-for", &go]);
    let shown = home.until(task, "running");
    let socket = tenure_tests::wait_until("the run has a socket", || {
        let shown = home.show(task);
        runs(&shown)[0]["socket"]
            .as_str()
            .map(std::path::PathBuf::from)
    });
    assert_eq!(mode(&socket) & 0o077, 0, "{}", socket.display());
    home.touch("go");
    let shown = {
        drop(shown);
        home.until(task, "done")
    };
    let log = std::path::PathBuf::from(runs(&shown)[0]["log"].as_str().unwrap());
    assert_eq!(mode(&log), 0o600);
    assert_eq!(mode(log.parent().unwrap()), 0o700);
    assert_eq!(mode(&home.state()), 0o700);
    if let StoreUrl::Sqlite(file) = home.store_url() {
        assert_eq!(mode(file), 0o600);
    }
    assert!(!socket.exists(), "the socket outlived its run");
}
