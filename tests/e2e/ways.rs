//! Ways to end, each told as a task and what must be concluded from it, played all together: under one
//! dispatcher, across its death, while none lives, and after another one took the runs up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use tenure_tests::home::{event_kinds, runs};
use tenure_tests::process::{self, Process, Signal};
use tenure_tests::wait::{PATIENCE, within};
use tenure_tests::{Home, program, wait_until};

/// What the homes of these tests are told: everything at once, and every limit at the first end.
pub const CONFIG: &str = r#"
[dispatcher]
slots = 256
lease = "6s"
kill_grace = "2s"
finish_grace = "500ms"

[defaults]
max_failures = 1
violation_limit = 1
max_defers = 1
max_benign = 1
max_lost = 1
"#;

/// Where the dispatcher is when the end comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It lives, and sees it.
    Watched,
    /// It is killed at that moment.
    Dying,
    /// It was killed, and there is no other.
    Unwatched,
    /// It was killed, and another one took the run up.
    Adopted,
}

impl When {
    pub const ALL: [Self; 4] = [Self::Watched, Self::Dying, Self::Unwatched, Self::Adopted];

    /// The file that lets the workers go on to their ends.
    fn go(self) -> String {
        format!("go-{self:?}")
    }

    /// A time limit that comes, on a quick machine, not before the workers are let go.
    fn limit(self) -> &'static str {
        match self {
            Self::Watched | Self::Dying => "3s",
            Self::Unwatched => "5s",
            Self::Adopted => "12s",
        }
    }
}

/// Who brings the end about.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// The worker.
    Itself,
    /// A person: the verb, and what follows the id.
    Person(&'static str, &'static [&'static str]),
    /// Somebody who signals the warden.
    Warden(Signal),
}

/// A way to end. In its keys `{limit}` stands for a time limit; in its steps `{go}` for the file that
/// is waited for, which else comes before the first step, and `{left}` for a file of this row, into which
/// processes that are left behind append their pids.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub label: &'static str,
    pub keys: &'static [(&'static str, &'static str)],
    pub steps: &'static [&'static str],
    pub by: By,
    pub outcome: &'static str,
    pub reason: &'static str,
    pub status: &'static str,
}

/// A way that is being gone.
struct Row {
    way: Way,
    when: When,
    task: i64,
    /// The file of those it leaves behind.
    left: String,
}

impl Row {
    /// Whether its worker leaves somebody behind.
    fn leaves(&self) -> bool {
        self.way.steps.contains(&"{left}")
    }
}

/// What a row came to.
struct Found {
    outcome: String,
    reason: String,
    status: String,
    warden: Option<i32>,
}

/// Plays them all at once, and compares; then looks for what was left behind.
#[track_caller]
pub fn play(home: &Home, cast: &[(When, Way)]) {
    let mut first = home.serve();
    let rows = submit(home, cast);
    let began = || home.read("began").lines().count() == rows.len();
    if within(PATIENCE, || began().then_some(())).is_none() {
        let waiting = rows
            .iter()
            .map(|row| home.show(row.task)["runs"].clone())
            .filter(|runs| runs[0]["pid"].is_null());
        panic!("not every worker began: {:#?}", waiting.collect::<Vec<_>>());
    }
    let workers = workers(home);

    go(home, &rows, When::Watched);
    until_ended(home, &rows, When::Watched);

    go(home, &rows, When::Dying);
    first.crash();

    go(home, &rows, When::Unwatched);
    for row in rows.iter().filter(|row| row.when == When::Unwatched) {
        let fact = format!("the worker of {} is gone", row.way.label);
        let lives = || workers.get(&row.task).is_some_and(|worker| worker.lives());
        wait_until(&fact, || (!lives()).then_some(()));
    }
    let adopted = |row: &&Row| row.when == When::Adopted;
    let mut second = home.serve();
    for row in rows.iter().filter(adopted) {
        wait_until(&format!("{} is adopted", row.way.label), || {
            let shown = home.show(row.task);
            // On a slow machine its time may be up before that.
            let is_over = runs(&shown)[0]["outcome"].is_string();
            (is_over || event_kinds(&shown).contains(&"adopted")).then_some(())
        });
    }
    go(home, &rows, When::Adopted);
    for when in When::ALL {
        until_ended(home, &rows, when);
    }

    let found = compare(home, &rows);
    leaves_nothing(home, &rows, &found);
    second.signal(Signal::TERM);
    assert_eq!(second.ended(), Some(0), "{}", second.log());
    let left = process::with_in_environment(home.path());
    assert!(left.is_empty(), "left in the home: {left:?}");
}

/// All at once, so that no time limit is over before the last one began.
fn submit(home: &Home, cast: &[(When, Way)]) -> Vec<Row> {
    let table = |(number, (when, way)): (usize, &(When, Way))| task(number, *when, way);
    let tasks: Vec<toml::Table> = cast.iter().enumerate().map(table).collect();
    let file = toml::Table::from_iter([("task".to_owned(), tasks.into())]);
    let file = home.write("work/ways.toml", &file.to_string());
    let said = home.tenure(&["submit", "--json", &file.display().to_string()]);
    let submitted = said.ok().json();
    let ids = submitted["tasks"].as_array().unwrap().iter();
    cast.iter()
        .zip(ids)
        .enumerate()
        .map(|(number, ((when, way), created))| Row {
            way: *way,
            when: *when,
            task: created["id"].as_i64().unwrap(),
            left: left(number),
        })
        .collect()
}

fn left(number: usize) -> String {
    format!("left-{number}")
}

/// A way as a task of a file.
fn task(number: usize, when: When, way: &Way) -> toml::Table {
    let (go, left) = (when.go(), left(number));
    let worker = program::worker().display().to_string();
    let mut command = vec![worker.as_str(), "once"];
    command.extend(["append", "began", "{TENURE_TASK_ID} {pid}"]);
    if !way.steps.contains(&"{go}") {
        command.extend(["wait-for", &go]);
    }
    command.extend(way.steps.iter().map(|step| match *step {
        "{go}" => go.as_str(),
        "{left}" => left.as_str(),
        step => step,
    }));
    let mut task = toml::Table::from_iter([
        ("title".to_owned(), way.label.into()),
        ("command".to_owned(), command.into()),
    ]);
    for (key, value) in way.keys {
        let value = match *value {
            "{limit}" => when.limit(),
            value => value,
        };
        task.insert((*key).to_owned(), value.into());
    }
    task
}

/// The workers by their tasks, as they said themselves; those whose time was up too soon are gone.
fn workers(home: &Home) -> BTreeMap<i64, Process> {
    home.read("began")
        .lines()
        .filter_map(|line| {
            let (task, pid) = line.split_once(' ')?;
            let process = Process::now(pid.parse().ok()?)?;
            Some((task.parse().ok()?, process))
        })
        .collect()
}

/// Lets the ends of this time come.
fn go(home: &Home, rows: &[Row], when: When) {
    home.touch(&when.go());
    for row in rows.iter().filter(|row| row.when == when) {
        let id = row.task.to_string();
        match row.way.by {
            By::Itself => {}
            By::Person(verb, rest) => {
                if row.leaves() {
                    home.until_written(&row.left);
                }
                let mut arguments = vec![verb, &id, "--no-wait"];
                arguments.extend(rest);
                let _ = home.tenure(&arguments).ok();
            }
            By::Warden(signal) => {
                let pid = runs(&home.show(row.task))[0]["warden_pid"].as_i64();
                let pid = pid.and_then(|pid| i32::try_from(pid).ok()).unwrap();
                Process::now(pid).expect("the warden lives").signal(signal);
            }
        }
    }
}

fn until_ended(home: &Home, rows: &[Row], when: When) {
    for row in rows.iter().filter(|row| row.when == when) {
        let shown = wait_until(&format!("{} {when:?} ended", row.way.label), || {
            let shown = home.show(row.task);
            let moves = matches!(shown["task"]["status"].as_str(), Some("ready" | "running"));
            (!moves && runs(&shown)[0]["outcome"].is_string()).then_some(shown)
        });
        assert!(shown["task"]["current_run_id"].is_null(), "{shown:#}");
    }
}

/// The table must be diagonal: what was concluded is what was expected, row by row.
#[track_caller]
fn compare(home: &Home, rows: &[Row]) -> Vec<Found> {
    let found: Vec<Found> = rows.iter().map(|row| find(&home.show(row.task))).collect();
    explained(home, rows);
    let mut matrix: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    let mut wrong = String::new();
    for (row, found) in rows.iter().zip(&found) {
        *matrix.entry((row.way.outcome, &found.outcome)).or_default() += 1;
        let is_right = found.outcome == row.way.outcome
            && found.status == row.way.status
            && found.reason.contains(row.way.reason);
        if !is_right {
            let _ = writeln!(
                wrong,
                "{:?}, {:?} (task {}): expected {} ({:?}), {}; found {} ({:?}), {}",
                row.way.label,
                row.when,
                row.task,
                row.way.outcome,
                row.way.reason,
                row.way.status,
                found.outcome,
                found.reason,
                found.status
            );
        }
    }
    let mut text = String::new();
    for ((expected, found), count) in matrix {
        let mark = if expected == found { ' ' } else { '!' };
        let _ = writeln!(text, "{mark} {expected:>20} -> {found:<20} {count}");
    }
    assert!(wrong.is_empty(), "not diagonal:\n{text}\n{wrong}");
    println!("{} ways:\n{text}", rows.len());
    found
}

/// Every end is explained by its own outcome, and every standing by a reason.
#[track_caller]
fn explained(home: &Home, rows: &[Row]) {
    for row in rows {
        let id = row.task.to_string();
        let explained = home.tenure(&["explain", &id, "--json"]).ok().json();
        let code = explained["newest"]["code"].as_str().unwrap_or_default();
        let outcome = explained["newest"]["outcome"].as_str().unwrap_or_default();
        let cause = code.strip_prefix(outcome).unwrap_or_default();
        assert!(cause.starts_with('+'), "{:?}: {explained:#}", row.way.label);
        assert!(explained["reasons"][0]["code"].is_string(), "{explained:#}");
    }
}

fn find(shown: &Value) -> Found {
    let run = &runs(shown)[0];
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    Found {
        outcome: text(&run["outcome"]),
        reason: text(&run["reason"]),
        status: text(&shown["task"]["status"]),
        warden: run["warden_pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok()),
    }
}

/// A run that is closed has no process: not in its session, not among those that said where they are.
#[track_caller]
fn leaves_nothing(home: &Home, rows: &[Row], found: &[Found]) {
    let sessions: Vec<i32> = found.iter().filter_map(|found| found.warden).collect();
    let in_sessions = process::in_sessions(&sessions);
    assert!(in_sessions.is_empty(), "left in sessions: {in_sessions:?}");
    let worker = program::worker();
    for row in rows.iter().filter(|row| row.leaves()) {
        let text = home.read(&row.left);
        let pid = text.trim().parse().ok();
        let pid = pid.unwrap_or_else(|| panic!("{}: nobody was left: {text}", row.way.label));
        // Another program may have the number by now.
        let lives =
            Process::now(pid).is_some_and(|process| process.lives() && process.runs(&worker));
        assert!(!lives, "{}: process {pid} outlived its run", row.way.label);
    }
}
