//! The experiments that the system which Tenure replaces did not pass: each situation is provoked here
//! with real processes. `tests/README.md` has the table of them all, those included that other
//! chapters provoke already.

mod breaker;
mod claims;
mod ends;
mod scale;
mod waiting;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tenure_tests::home::event_kinds;
use tenure_tests::{Dispatcher, Home, program};

/// Another task goes all the way through: whatever a dispatcher looks after, it looked after it.
#[track_caller]
fn sweep(home: &Home) {
    let other = home.add(&[], &["complete", "done"]);
    home.until(other, "done");
}

/// A few of those, and another dispatcher.
#[track_caller]
fn sweep_and_restart(home: &Home, dispatcher: &mut Dispatcher) {
    sweep(home);
    sweep(home);
    dispatcher.crash();
    dispatcher.launch_again(home);
    dispatcher.until_ready();
    sweep(home);
}

/// How many events of a kind a task has.
#[track_caller]
fn count(shown: &Value, kind: &str) -> usize {
    let kinds = event_kinds(shown);
    kinds.iter().filter(|found| **found == kind).count()
}

/// A row of the table: its number, and the tests that it names.
struct Row {
    number: u32,
    tests: Vec<String>,
}

fn table() -> Vec<Row> {
    let page = fs::read_to_string(program::workspace().join("tests/README.md")).unwrap();
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim().trim_matches('|').split('|').collect();
            let number = cells.first()?.trim().parse().ok()?;
            let named = cells.last()?.split('`').skip(1).step_by(2);
            let tests = named.map(str::to_owned).collect();
            Some(Row { number, tests })
        })
        .collect()
}

/// Whether a test of this name stands in the chapter: as a function, or told on both databases.
fn stands(test: &str) -> bool {
    let Some((chapter, name)) = test.rsplit_once("::") else {
        return false;
    };
    let path = format!("tests/e2e/{}.rs", chapter.replace("::", "/"));
    let said = fs::read_to_string(program::workspace().join(path)).unwrap_or_default();
    [format!("fn {name}("), format!("{name},")]
        .iter()
        .any(|form| said.contains(form.as_str()))
}

#[test]
fn the_table_of_experiments_has_all_of_them_and_names_tests_that_are_there() {
    let table = table();
    let numbers: Vec<u32> = table.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=23).collect::<Vec<_>>());
    for row in &table {
        assert!(
            !row.tests.is_empty(),
            "experiment {} names no test",
            row.number
        );
        for test in &row.tests {
            assert!(
                stands(test),
                "there is no {test} for experiment {}",
                row.number
            );
        }
    }
}

#[test]
fn each_test_of_an_experiment_stands_in_the_table() {
    let rows = table();
    let named: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| &row.tests)
        .filter_map(|test| test.strip_prefix("experiments::"))
        .collect();
    let chapters = program::workspace().join("tests/e2e/experiments");
    for chapter in ["breaker", "claims", "ends", "scale", "waiting"] {
        for test in tests_of(&chapters.join(format!("{chapter}.rs"))) {
            let test = format!("{chapter}::{test}");
            assert!(
                named.contains(test.as_str()),
                "tests/README.md does not name {test}"
            );
        }
    }
}

/// The names of a chapter's tests: what follows `#[test]`, or stands in an `on_both!`.
fn tests_of(chapter: &Path) -> Vec<String> {
    let text = fs::read_to_string(chapter).unwrap();
    let between = |opening, closing| {
        let opened = text.split(opening).skip(1);
        opened.filter_map(move |after: &str| Some(after.split_once(closing)?.0))
    };
    let alone = between("#[test]\nfn ", "(");
    let told = between("on_both!(", ")").flat_map(|names| names.split(','));
    let names = alone.chain(told).map(|name| name.trim().to_owned());
    let found: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    assert!(!found.is_empty(), "{} has no test", chapter.display());
    found
}
