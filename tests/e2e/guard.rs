//! The guard before the start: who does not hold its task never begins.

use serde_json::Value;
use tenure_guard::env;
use tenure_tests::home::{outcomes, runs};
use tenure_tests::{Database, Said, wait_until};

use crate::claimed;

on_both!(
    a_claim_taken_back_before_its_worker_starts_stands_down_and_counts_for_nothing,
    a_superseded_run_stands_down_and_the_newer_run_is_untouched,
    a_missing_or_malformed_identity_stands_down_and_changes_nothing,
    a_check_without_a_warden_asks_the_store_and_tells_the_reason_in_json,
    a_program_started_by_hand_is_no_worker,
    a_command_starts_once_for_each_run,
);

/// The streaks of a task, as `show` tells them.
fn streaks(shown: &Value) -> Vec<i64> {
    ["failures", "violations", "defers", "benign", "lost"]
        .iter()
        .map(|name| shown["task"][*name].as_i64().expect("a streak is a number"))
        .collect()
}

fn a_claim_taken_back_before_its_worker_starts_stands_down_and_counts_for_nothing(on: Database) {
    let home = on.home();
    let task = home.add(&[], &["append", &home.at("effects"), "ran"]);
    let open = home.store();
    let claimed = claimed::claim(&open);
    claimed::take_back(&open, &claimed.tenure);

    let steps = ["append", &home.at("effects"), "ran"];
    let _ = Said::by(&mut claimed::exec(&home, &claimed.tenure, &steps))
        .with_code(79)
        .mentions(&["task_not_running:ready"]);

    assert_eq!(home.read("effects"), "", "the command started");
    let shown = home.show(task);
    assert_eq!(shown["task"]["status"], "ready");
    assert_eq!(outcomes(&shown), ["reclaimed"]);
    assert_eq!(streaks(&shown), [0; 5], "{shown:#}");
}

fn a_superseded_run_stands_down_and_the_newer_run_is_untouched(on: Database) {
    let home = on.home();
    let task = home.add(&[], &["exit", "0"]);
    let open = home.store();
    let old = claimed::claim(&open);
    claimed::take_back(&open, &old.tenure);
    let new = claimed::claim(&open);
    assert!(new.tenure.run > old.tenure.run);
    let before = home.show(task);

    let steps = ["append", &home.at("effects"), "ran"];
    let _ = Said::by(&mut claimed::exec(&home, &old.tenure, &steps))
        .with_code(79)
        .mentions(&["run_mismatch"]);

    assert_eq!(home.read("effects"), "", "the command started");
    let after = home.show(task);
    assert_eq!(runs(&after)[1], runs(&before)[1], "the newer run changed");
    assert_eq!(after["task"], before["task"]);
}

fn a_missing_or_malformed_identity_stands_down_and_changes_nothing(on: Database) {
    let home = on.home();
    let task = home.add(&[], &["exit", "0"]);
    let open = home.store();
    let tenure = claimed::claim(&open).tenure;
    let before = home.show(task);
    let lock = tenure.lock.expose();
    let cases = [
        (env::CONTRACT, None, "unsupported_contract"),
        (env::CONTRACT, Some("2"), "unsupported_contract"),
        (env::TASK_ID, Some("seven"), "invalid_task_id"),
        (env::RUN_ID, None, "missing_run_id"),
        (env::RUN_ID, Some(""), "missing_run_id"),
        (env::RUN_ID, Some("09"), "invalid_run_id"),
        (env::CLAIM_LOCK, None, "missing_claim_lock"),
        (env::CLAIM_LOCK, Some(&lock[1..]), "invalid_claim_lock"),
    ];
    for (name, value, reason) in cases {
        let steps = ["append", &home.at("effects"), reason];
        for mut command in [
            claimed::exec(&home, &tenure, &steps),
            claimed::as_worker(&home, &tenure, &["guard", "check", "--json"]),
        ] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
            let said = Said::by(&mut command).with_code(79);
            let told = said.err.contains(reason) || said.out.contains(reason);
            assert!(told, "{reason} was not told by {said}");
            assert!(
                !said.err.contains(&lock[10..]),
                "a claim lock was shown: {said}"
            );
        }
    }
    assert_eq!(home.read("effects"), "", "a command started");
    assert_eq!(home.show(task), before);
}

fn a_check_without_a_warden_asks_the_store_and_tells_the_reason_in_json(on: Database) {
    let home = on.home();
    home.add(&[], &["exit", "0"]);
    let open = home.store();
    let tenure = claimed::claim(&open).tenure;
    let check = ["guard", "check", "--json"];
    let owned = Said::by(&mut claimed::as_worker(&home, &tenure, &check)).ok();
    assert_eq!(owned.json(), serde_json::json!({"verdict": "owned"}));

    let stranger = "0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff";
    let cases = [
        (env::TASK_ID, "4711", "task_missing"),
        (env::RUN_ID, "4711", "run_mismatch"),
        (env::CLAIM_LOCK, stranger, "claim_mismatch"),
    ];
    for (name, value, reason) in cases {
        let mut command = claimed::as_worker(&home, &tenure, &check);
        let said = Said::by(command.env(name, value)).with_code(79);
        let expected = serde_json::json!({"verdict": "stand_down", "reason": reason});
        assert_eq!(said.json(), expected);
    }
}

fn a_program_started_by_hand_is_no_worker(on: Database) {
    let home = on.home();
    for arguments in [
        &["guard", "check"][..],
        &["guard", "exec", "--", "touch", "effects"],
    ] {
        let _ = home
            .tenure(arguments)
            .with_code(2)
            .mentions(&["not a worker"]);
    }
    assert!(!home.work().join("effects").exists(), "the command started");
}

fn a_command_starts_once_for_each_run(on: Database) {
    let home = on.home();
    home.add(&[], &["exit", "0"]);
    let open = home.store();
    let tenure = claimed::claim(&open).tenure;
    let steps = [
        "append",
        &home.at("effects"),
        "ran",
        "wait-for",
        &home.at("go"),
    ];
    let mut first = claimed::exec(&home, &tenure, &steps)
        .stdin(std::process::Stdio::null())
        .spawn()
        .unwrap();
    home.until_written("effects");

    let _ = Said::by(&mut claimed::exec(&home, &tenure, &steps))
        .with_code(79)
        .mentions(&["already_started"]);

    home.touch("go");
    let ended = wait_until("the first one ended", || first.try_wait().ok().flatten());
    assert!(ended.success());
    assert_eq!(home.read("effects"), "ran\n");
    let shown = home.show(tenure.task.0);
    assert_eq!(outcomes(&shown), ["completed"]);
    assert_eq!(shown["task"]["status"], "done");
}
