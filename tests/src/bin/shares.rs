//! Lets several dispatchers on one PostgreSQL server empty one queue, and counts who ran how much.
//!
//! ```text
//! cargo build -p tenure-tests --bins && target/debug/shares [--dispatchers N] [--tasks N] [--slots N]
//! ```
//!
//! Each dispatcher has a state folder of its own, and so is a host of its own. Every task must run once,
//! by one run, with one effect; and the smallest share must be at least a quarter of an equal one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tenure_tests::flags::Flags;
use tenure_tests::ledger::Ledger;
use tenure_tests::process::Signal;
use tenure_tests::slot::Turn;
use tenure_tests::{Dispatcher, Home, postgres, wait};

const FLAGS: [(&str, u64); 3] = [("dispatchers", 4), ("tasks", 20_000), ("slots", 8)];

/// How many tasks a file has.
const FILE: usize = 1000;

/// How long a dispatcher may take for a task, on a machine that does much else.
const PATIENCE_PER_TASK: Duration = Duration::from_millis(500);

/// What fails is seen at once.
const LIMITS: &str = "max_failures = 1\nmax_benign = 1\nmax_lost = 1";

fn main() -> ExitCode {
    let flags = match Flags::given(&FLAGS) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let Some(url) = postgres::database() else {
        return ExitCode::from(2);
    };
    let (dispatchers, tasks) = (flags.count("dispatchers"), flags.count("tasks"));
    let _turn = Turn::take();
    let config = format!(
        "[dispatcher]\nslots = {}\n[defaults]\n{LIMITS}",
        flags.get("slots")
    );
    let homes: Vec<Home> = (0..dispatchers).map(|_| Home::on(&url, &config)).collect();
    let mut serving: Vec<Dispatcher> = homes.iter().map(Home::serve).collect();
    let began = Instant::now();
    add(&homes[0], tasks);
    let mut ledger = Ledger::of(&homes[0]);
    let patience = PATIENCE_PER_TASK * u32::try_from(tasks).unwrap_or(u32::MAX);
    let rested = wait::within(patience, || {
        let moving = "SELECT count(*) FROM tasks WHERE status NOT IN ('done', 'blocked')";
        (ledger.number(moving) == 0).then_some(())
    });
    let took = began.elapsed();
    let mut wrong = ledger.contradictions();
    if rested.is_none() {
        wrong.push(format!("not all are at rest after {patience:?}"));
    }
    wrong.extend(once_each(&mut ledger, &homes[0], tasks));
    let shares = shares(&mut ledger, dispatchers);
    let fair = tasks / (4 * dispatchers);
    let smallest = shares.first().copied().unwrap_or_default();
    if smallest < fair {
        wrong.push(format!(
            "the smallest share is {smallest}, and {fair} is a quarter of an equal one"
        ));
    }
    for dispatcher in &mut serving {
        dispatcher.signal(Signal::TERM);
        if dispatcher.ended() != Some(0) {
            wrong.push("a dispatcher did not end well".to_owned());
        }
    }
    println!(
        "{tasks} tasks on {dispatchers} dispatchers: shares {shares:?}, {:.0} tasks/s, {} wrong; {:.1} s",
        f64::from(u32::try_from(tasks).unwrap_or(u32::MAX)) / took.as_secs_f64(),
        wrong.len(),
        took.as_secs_f64(),
    );
    for problem in &wrong {
        println!("  {problem}");
    }
    ExitCode::from(u8::from(!wrong.is_empty()))
}

/// Adds tasks that each write their id down.
fn add(home: &Home, tasks: usize) {
    let effects = home.at("effects");
    let task = format!("[[task]]\ncommand = ['sh', '-c', 'echo $TENURE_TASK_ID >> {effects}']\n");
    let mut left = tasks;
    while left > 0 {
        let now = left.min(FILE);
        let mut text = String::new();
        for _ in 0..now {
            let _ = text.write_str(&task);
        }
        let file = home.write("work/tasks.toml", &text);
        let _ = home.tenure(&["submit", &file.display().to_string()]).ok();
        left -= now;
    }
}

fn once_each(ledger: &mut Ledger, home: &Home, tasks: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    for (what, query) in [
        (
            "tasks are done",
            "SELECT count(*) FROM tasks WHERE status = 'done'",
        ),
        ("runs there are", "SELECT count(*) FROM runs"),
        (
            "runs completed",
            "SELECT count(*) FROM runs WHERE outcome = 'completed'",
        ),
    ] {
        let count = ledger.number(query);
        if usize::try_from(count) != Ok(tasks) {
            wrong.push(format!("{count} {what}, of {tasks} tasks"));
        }
    }
    let text = home.read("effects");
    let mut effects: BTreeMap<&str, usize> = BTreeMap::new();
    for task in text.lines() {
        *effects.entry(task).or_default() += 1;
    }
    let doubled = effects.values().filter(|count| **count > 1).count();
    if (effects.len(), doubled) != (tasks, 0) {
        wrong.push(format!(
            "{} tasks had an effect, {doubled} of them more than one",
            effects.len()
        ));
    }
    wrong
}

/// How many runs each dispatcher had, the fewest first.
fn shares(ledger: &mut Ledger, dispatchers: usize) -> Vec<usize> {
    let rows = ledger.pairs("SELECT dispatcher_id, CAST(count(*) AS TEXT) FROM runs GROUP BY 1");
    let mut shares: Vec<usize> = rows
        .iter()
        .filter_map(|(_, runs)| runs.parse().ok())
        .collect();
    // Who had none is not in the store.
    shares.resize(dispatchers.max(shares.len()), 0);
    shares.sort_unstable();
    shares
}
