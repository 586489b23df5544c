//! `doctor` and `settle`: looking at a machine, and tidying up after a dispatcher.

use std::process::{Command, Stdio};

use serde_json::Value;
use tenure_tests::home::outcomes;
use tenure_tests::{Database, Home, Said};

on_both!(
    the_doctor_names_a_process_that_a_closed_run_left,
    settling_ends_and_closes_what_a_dead_dispatcher_left_and_makes_no_store,
);

/// The findings of one check.
fn findings<'a>(said: &'a [Value], check: &str) -> Vec<&'a Value> {
    let of_check = |finding: &&Value| finding["check"] == check;
    said.iter().filter(of_check).collect()
}

#[track_caller]
fn doctor(home: &Home) -> (Said, Vec<Value>) {
    let said = home.tenure(&["doctor", "--json"]);
    let findings = said.json().as_array().unwrap().clone();
    (said, findings)
}

#[test]
fn the_doctor_finds_a_fresh_home_well_and_creates_nothing() {
    let home = Home::new();
    let (said, found) = doctor(&home);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(findings(&found, "store")[0]["severity"], "notice");
    for finding in &found {
        let is_ok = finding["severity"] == "ok";
        assert_eq!(finding["cost"].is_null(), is_ok, "{finding}");
        assert_eq!(finding["mend"].is_null(), is_ok, "{finding}");
    }
    assert!(!home.state().exists());
    let _ = home.add(&[], &[]);
    let dispatcher = home.serve();
    let (said, found) = doctor(&home);
    assert_eq!(said.code, 0, "{said}");
    let served = findings(&found, "store");
    assert!(served.iter().all(|one| one["severity"] == "ok"), "{said}");
    let has_cgroups = dispatcher.log().contains("each run gets a cgroup");
    let cgroup = findings(&found, "cgroup")[0];
    assert_eq!(cgroup["severity"] == "ok", has_cgroups, "{cgroup}");
}

fn the_doctor_names_a_process_that_a_closed_run_left(on: Database) {
    let home = on.home();
    let _dispatcher = home.serve();
    let task = home.add(&[], &["env", &home.at("env")]);
    home.until(task, "done");
    let environ: Value = serde_json::from_str(&home.until_written("env")).unwrap();
    let variables = environ["env"].as_object().unwrap();
    let mut left = Command::new("sleep")
        .arg("600")
        .env_clear()
        .envs(
            variables
                .iter()
                .map(|(name, value)| (name, value.as_str().unwrap())),
        )
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let (said, found) = doctor(&home);
    left.kill().unwrap();
    left.wait().unwrap();
    assert_eq!(said.code, 1, "{said}");
    let leftovers = findings(&found, "leftovers");
    let named = format!("process {} of run", left.id());
    let words = leftovers[0]["found"].as_str().unwrap();
    assert!(words.contains(&named), "{said}");
}

fn settling_ends_and_closes_what_a_dead_dispatcher_left_and_makes_no_store(on: Database) {
    let home = on.home();
    let nothing = home.tenure(&["settle"]).ok();
    assert!(nothing.out.contains("nothing to settle"), "{nothing}");
    assert!(!home.state().exists());

    let mut dispatcher = home.serve();
    let task = home.add(&[], &["append", &home.at("began"), "now", "hang"]);
    home.until_written("began");
    let refused = home.tenure(&["settle"]).with_code(4);
    let _ = refused.mentions(&["dispatcher", "stop that one first"]);
    // Nobody is stopping a unit of this name, so nothing is touched.
    let left = home
        .tenure(&["settle", "--unit", "no-such-tenured.service"])
        .ok();
    assert!(left.out.contains("live on"), "{left}");

    dispatcher.crash();
    let settled = home.tenure(&["settle"]).ok();
    assert!(settled.out.contains("interrupted"), "{settled}");
    let shown = home.show(task);
    assert_eq!(outcomes(&shown), ["interrupted"]);
    assert_eq!(shown["task"]["status"], "ready");
    let again = home.tenure(&["settle"]).ok();
    assert!(again.out.ends_with("closed: 0\n"), "{again}");
}
