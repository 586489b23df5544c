//! Several hosts on one server. A host is known by the id in its state folder, so two homes are two
//! hosts, although one kernel could prove more of their processes than two would.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tenure_tests::home::{Home, event_kinds, outcomes, runs};
use tenure_tests::process::{self, Process, Signal};
use tenure_tests::slot::Turn;
use tenure_tests::{Dispatcher, wait_until};

/// The shortest lease that there is, and no poll that could find anything before a timer does.
const CONFIG: &str = "[dispatcher]\nlease = '6s'\npoll = '10m'";

/// What others wait beyond a lease.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// Two hosts on one server, and the turn of a test that has so many.
fn two_hosts(config: &str) -> Option<(Turn, Home, Home)> {
    let url = tenure_tests::postgres::database()?;
    Some((Turn::take(), Home::on(&url, config), Home::on(&url, config)))
}

/// A worker that writes a line; the first time it stays, and any other time it is done. Its task.
#[track_caller]
fn staying(home: &Home) -> i64 {
    let (began, go) = (home.at("began"), home.at("go"));
    let task = home.add(&[], &["append", &began, "x", "once", "wait-for", &go]);
    home.until_written("began");
    task
}

/// All of a host: its dispatcher, its wardens, their workers.
fn all_of(dispatcher: &Dispatcher) -> Vec<Process> {
    process::tree(dispatcher.process().pid)
}

fn signal(processes: &[Process], signal: Signal) {
    for process in processes {
        process.signal(signal);
    }
}

#[track_caller]
fn time(run: &Value, key: &str) -> Timestamp {
    run[key].as_str().unwrap().parse().unwrap()
}

/// How long after its lease the first run of a task was closed.
#[track_caller]
fn late(shown: &Value) -> SignedDuration {
    let run = &runs(shown)[0];
    time(run, "ended_at").duration_since(time(run, "lease_until"))
}

#[test]
fn what_a_dead_host_held_goes_on_elsewhere_once_its_lease_and_the_margin_are_over() {
    let Some((_turn, one, two)) = two_hosts(CONFIG) else {
        return;
    };
    let first = one.serve();
    let task = staying(&one);
    let _second = two.serve();
    let host = all_of(&first);
    assert!(host.len() >= 3, "dispatcher, warden and worker: {host:?}");
    // A host that loses its power does nothing any more, and nobody on it sees another one die.
    signal(&host, Signal::STOP);
    signal(&host, Signal::KILL);
    let dead = Instant::now();
    let shown = two.until(task, "done");
    println!("done elsewhere {:?} after its host died", dead.elapsed());
    assert_eq!(outcomes(&shown), ["reclaimed", "completed"], "{shown:#}");
    let late = late(&shown);
    println!("taken back {late:?} after its lease");
    assert!(late > MARGIN, "{late:?}");
    assert!(late < MARGIN + SignedDuration::from_secs(5), "{late:?}");
    assert_eq!(shown["task"]["failures"], 0);
    assert_eq!(
        one.read("began"),
        "x\nx\n",
        "it was started twice, and twice only"
    );
    assert!(runs(&shown)[1]["run_id"].as_i64() > runs(&shown)[0]["run_id"].as_i64());
    let reason = runs(&shown)[0]["reason"].as_str().unwrap();
    assert!(reason.contains("lease is over"), "{reason}");
    let page = two
        .tenure(&["explain", &task.to_string(), "--json"])
        .ok()
        .json();
    assert!(
        page.to_string().contains("reclaimed+lease_over"),
        "{page:#}"
    );
}

#[test]
fn a_host_that_wakes_up_too_late_changes_nothing_and_serves_on() {
    let Some((_turn, one, two)) = two_hosts(CONFIG) else {
        return;
    };
    let first = one.serve();
    let task = staying(&one);
    let second = two.serve();
    let host = all_of(&first);
    let worker = runs(&one.show(task))[0]["pid"].as_i64();
    let worker = Process::now(i32::try_from(worker.unwrap()).unwrap()).unwrap();
    signal(&host, Signal::STOP);
    let shown = two.until(task, "done");
    assert_eq!(outcomes(&shown), ["reclaimed", "completed"], "{shown:#}");
    let closed = runs(&shown)[0].clone();
    signal(&host, Signal::CONT);
    let shown = wait_until("the late end is written down", || {
        let shown = two.show(task);
        event_kinds(&shown).contains(&"stale_exit").then_some(shown)
    });
    let events = shown["events"].as_array().unwrap();
    let late = events.iter().find(|event| event["kind"] == "stale_exit");
    assert_eq!(late.unwrap()["run_id"], closed["run_id"]);
    assert_eq!(runs(&shown)[0], closed, "a closed run stays as it is");
    assert_eq!(outcomes(&shown), ["reclaimed", "completed"]);
    assert!(!worker.lives(), "the worker outlived its claim");
    signal(&all_of(&second), Signal::STOP);
    let next = one.add(&[], &["exit", "0"]);
    one.until(next, "done");
}

#[test]
fn where_no_dispatcher_lives_a_verb_closes_what_a_silent_host_held() {
    let Some((_turn, one, two)) = two_hosts(CONFIG) else {
        return;
    };
    let first = one.serve();
    let task = staying(&one);
    let host = all_of(&first);
    signal(&host, Signal::STOP);
    let said = two.tenure(&["cancel", &task.to_string()]);
    assert_eq!(said.code, 0, "{said:?}");
    let shown = two.show(task);
    assert_eq!(outcomes(&shown), ["cancelled"]);
    assert!(late(&shown) > MARGIN, "{shown:#}");
    signal(&host, Signal::CONT);
}

#[test]
fn what_requires_a_label_runs_where_a_dispatcher_has_it_and_nobody_is_left_guessing() {
    let trainer = Home::profile("trainer", "requires = ['gpu']", &["exit", "0"]);
    let Some((_turn, one, two)) = two_hosts(&trainer) else {
        return;
    };
    two.configure(&format!("[dispatcher]\nlabels = ['gpu']\n{trainer}"));
    let _first = one.serve();
    let second = two.serve();
    // The host that adds has not what the one has that runs it.
    let own = one.add(&["--require", "gpu"], &["exit", "0"]);
    let of_profile = one.add_for("trainer", &[]);
    for task in [own, of_profile] {
        let shown = one.until(task, "done");
        let by = runs(&shown)[0]["dispatcher_id"].as_str().unwrap();
        assert!(second.log().contains(by), "{by} ran task {task}");
    }
    let said = one.tenure(&["add", "--require", "tpu", "--", "true"]);
    assert_eq!(said.code, 2, "{said:?}");
    for word in ["requires", "\"tpu\"", "gpu", "leave the label out"] {
        assert!(said.err.contains(word), "{said:?}");
    }

    assert_eq!(one.tenure(&["pause"]).code, 0);
    let own = one.add(&["--require", "gpu"], &["exit", "0"]);
    let of_profile = one.add_for("trainer", &[]);
    let mut second = second;
    second.signal(Signal::TERM);
    assert_eq!(second.ended(), Some(0));
    assert_eq!(one.tenure(&["resume"]).code, 0);
    for task in [own, of_profile] {
        let page = one
            .tenure(&["explain", &task.to_string(), "--json"])
            .ok()
            .json();
        assert!(page.to_string().contains("\"label_missing\""), "{page:#}");
        assert!(page.to_string().contains("gpu"), "{page:#}");
    }
    let found = one.tenure(&["diagnose", "--json"]).json();
    let found: Vec<&Value> = found.as_array().unwrap().iter().collect();
    let of = |task: i64| {
        let of = |one: &&&Value| one["task"] == task && one["rule"] == "invalid_task_skills";
        found
            .iter()
            .find(of)
            .unwrap_or_else(|| panic!("{found:#?}"))
    };
    assert_eq!(
        of(own)["mend"],
        format!("tenure edit {own} --clear-requires")
    );
    assert_eq!(of(of_profile)["mend"], Value::Null);
    let edited = one.tenure(&["edit", &own.to_string(), "--clear-requires"]);
    assert_eq!(edited.code, 0, "{edited:?}");
    one.until(own, "done");
}
