//! A warden without a dispatcher: `tenure guard exec -- COMMAND`.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tenure_guard::{Reason, Tenure, Verdict};
use tenure_store::event::EventKind;
use tenure_store::life::{LimitsLayer, Outcome, TaskStatus};
use tenure_store::person::Wish;

use super::post::{FOR_EVER, PROGRAM, wait_for};
use super::records::Records;

/// Runs a script as the worker of a run, in a folder that is also the state folder.
fn exec(records: &Records, tenure: &Tenure, folder: &std::path::Path, script: &str) -> Output {
    Command::new(PROGRAM)
        .args(["by-hand", &records.url.expose()])
        .arg(folder)
        .args(["sh", "-c", script])
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("SAY", PROGRAM)
        .env("STORE", records.url.expose())
        .env("TENURE_DB", records.url.expose())
        .env("TENURE_CONTRACT", "1")
        .env("TENURE_TASK_ID", tenure.task.to_string())
        .env("TENURE_RUN_ID", tenure.run.to_string())
        .env("TENURE_CLAIM_LOCK", tenure.lock.expose())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_owner_runs_its_command_and_the_run_is_closed_as_it_ended() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim(FOR_EVER, LimitsLayer::default());
    let output = exec(
        &records,
        &tenure,
        folder.path(),
        "echo out; echo ${TENURE_DB-none}; exit 7",
    );
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "out\nnone\n");
    let run = records.closed(&tenure);
    assert_eq!(run.known_outcome(), Some(Outcome::Failed));
    assert!(run.warden_pid.is_some());
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["host-id"]);
}

#[test]
fn its_worker_reports_through_it() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim_report();
    let output = exec(
        &records,
        &tenure,
        folder.path(),
        "\"$SAY\" worker complete; exec sleep 600",
    );
    assert_eq!(output.status.code(), Some(128 + 15), "{}", stderr(&output));
    assert_eq!(
        records.closed(&tenure).known_outcome(),
        Some(Outcome::Completed)
    );
}

#[test]
fn a_claim_that_was_taken_back_before_its_worker_started_stands_down_and_nothing_runs() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim(FOR_EVER, LimitsLayer::default());
    records.close(&tenure);
    let before = records.show(&tenure).task;
    let output = exec(&records, &tenure, folder.path(), "echo ran > ran");
    assert_eq!(output.status.code(), Some(79));
    assert_eq!(stderr(&output), "stand down: task_not_running:ready\n");
    assert!(!folder.path().join("ran").exists());
    let after = records.show(&tenure).task;
    assert_eq!(
        (before.failures, before.benign, before.status),
        (after.failures, after.benign, after.status)
    );
}

#[test]
fn a_superseded_run_stands_down_and_the_newer_one_is_untouched() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let old = records.claim(FOR_EVER, LimitsLayer::default());
    records.close(&old);
    let new = records.claim_again(FOR_EVER);
    assert_eq!(new.task, old.task);
    let output = exec(&records, &old, folder.path(), "echo ran > ran");
    assert_eq!(output.status.code(), Some(79));
    assert_eq!(stderr(&output), "stand down: run_mismatch\n");
    assert!(!folder.path().join("ran").exists());
    assert_eq!(records.check(&new), Verdict::Owned);
    let told = records
        .show(&old)
        .events
        .into_iter()
        .filter(|event| event.kind == EventKind::StoodDown)
        .map(|event| (event.run_id, event.payload["reason"].clone()))
        .collect::<Vec<_>>();
    assert_eq!(told, [(Some(old.run), "run_mismatch".into())]);
}

#[test]
fn a_claim_whose_lease_ran_out_before_the_start_is_closed_as_stale() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim(Duration::from_millis(1), LimitsLayer::default());
    let lapsed = Verdict::StandDown {
        reason: Reason::LeaseExpired,
    };
    wait_for("the lease's end", || {
        (records.check(&tenure) == lapsed).then_some(())
    });
    let output = exec(&records, &tenure, folder.path(), "echo ran > ran");
    assert_eq!(output.status.code(), Some(79));
    assert_eq!(stderr(&output), "stand down: lease_expired\n");
    assert!(!folder.path().join("ran").exists());
    assert_eq!(
        records.closed(&tenure).known_outcome(),
        Some(Outcome::Stale)
    );
    assert_eq!(records.show(&tenure).task.failures, 0);
}

#[test]
fn a_nested_start_of_the_same_run_stands_down_since_it_was_started_already() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim(FOR_EVER, LimitsLayer::default());
    let script = "\"$SAY\" by-hand \"$STORE\" \"$PWD\" sh -c 'echo ran > ran'";
    let output = exec(
        &records,
        &tenure,
        folder.path(),
        &format!("{script}; exit $?"),
    );
    assert_eq!(output.status.code(), Some(79), "{}", stderr(&output));
    assert_eq!(stderr(&output), "stand down: already_started\n");
    assert!(!folder.path().join("ran").exists());
    let run = records.closed(&tenure);
    assert_eq!(
        run.known_outcome(),
        Some(Outcome::Stale),
        "{:?}",
        run.reason
    );
    // Without a socket it is the store that knows.
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim(FOR_EVER, LimitsLayer::default());
    let script = format!("unset TENURE_SOCKET; {script}; echo $? > said; exit 0");
    exec(&records, &tenure, folder.path(), &script);
    let said = std::fs::read_to_string(folder.path().join("said")).unwrap();
    assert_eq!(said, "79\n");
    assert_eq!(records.status(&tenure), TaskStatus::Done);
}

#[test]
fn a_store_that_is_not_there_grants_nothing_and_is_not_made() {
    let records = Records::new();
    let folder = tempfile::tempdir().unwrap();
    let tenure = records.claim(FOR_EVER, LimitsLayer::default());
    records.wish(&tenure, Wish::Stop);
    let output = exec(&records, &tenure, folder.path(), "echo ran > ran");
    assert_eq!(stderr(&output), "stand down: ending:stop\n");
    let elsewhere = folder.path().join("none.db");
    let output = Command::new(PROGRAM)
        .args(["by-hand", elsewhere.to_str().unwrap()])
        .arg(folder.path())
        .args(["sh", "-c", "echo ran > ran"])
        .env("TENURE_CONTRACT", "1")
        .env("TENURE_TASK_ID", tenure.task.to_string())
        .env("TENURE_RUN_ID", tenure.run.to_string())
        .env("TENURE_CLAIM_LOCK", tenure.lock.expose())
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "stand down: store_unreachable\n");
    assert!(!elsewhere.exists());
}
