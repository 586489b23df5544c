//! Many tasks: what waits costs nothing, and what has ended costs no verb.

use std::fmt::Write as _;
use std::process::Command;

use tenure_tests::home::event_kinds;
use tenure_tests::ledger::Ledger;
use tenure_tests::{Database, Home, Said, postgres, program};

use super::sweep;

on_both!(five_hundred_tasks_that_a_full_cap_holds_back_are_written_of_once_each,);

const HELD: usize = 500;

fn five_hundred_tasks_that_a_full_cap_holds_back_are_written_of_once_each(on: Database) {
    let go = "{workspace}/go";
    let capped = Home::profile("capped", "max_running = 1", &["wait-for", go]);
    let home = on.home_with(&format!("[dispatcher]\npoll = '1s'\n{capped}"));
    let mut file = String::new();
    for number in 0..=HELD {
        let _ = writeln!(
            file,
            "[[task]]\nname = 'held-{number}'\nassignee = 'capped'"
        );
    }
    let file = home.write("work/held.toml", &file);
    let _ = home.tenure(&["submit", &file.display().to_string()]).ok();
    let _dispatcher = home.serve();
    home.until(1, "running");
    for _ in 0..10 {
        sweep(&home);
    }
    let mut ledger = Ledger::of(&home);
    let held = "SELECT count(*) FROM tasks WHERE assignee = 'capped' AND status = 'ready'";
    assert_eq!(ledger.number(held), i64::try_from(HELD).unwrap());
    let said = "SELECT count(*) FROM events e JOIN tasks t ON t.id = e.task_id
        WHERE t.assignee = 'capped' AND t.status = 'ready'";
    assert_eq!(ledger.number(said), i64::try_from(HELD).unwrap());
    assert_eq!(event_kinds(&home.show(2)), ["added"]);
}

/// The short form of the program that measures, which asserts no figure.
fn answers(flags: &[&str]) {
    let mut program = Command::new(program::folder().join("verbs-at-scale"));
    let short = [
        "--tasks", "2000", "--events", "20000", "--factor", "3", "--runs", "1", "--claims", "40",
    ];
    let said = Said::by(program.args(short).args(flags)).ok();
    for verb in ["claims a second", "list", "show (done)", "events (done)"] {
        assert!(said.out.contains(verb), "{said}");
    }
}

#[test]
fn every_verb_answers_on_a_store_of_many_tasks() {
    answers(&[]);
}

#[test]
fn every_verb_answers_on_a_server_of_many_tasks() {
    // A database says whether there is a server.
    if postgres::database().is_some() {
        answers(&["--postgres", "1"]);
    }
}
