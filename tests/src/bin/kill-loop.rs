//! Kills a dispatcher with SIGKILL at moments that nobody chose, again and again, until all tasks of a
//! batch are done; and does that in round after round.
//!
//! ```text
//! cargo build -p tenure-tests --bins && target/debug/kill-loop \
//!     [--rounds N] [--tasks N] [--seed S] [--postgres 1]
//! ```
//!
//! Each worker appends its task's id to one file, once, and ends in one of some ways that complete.
//! Since only dispatchers are killed, each effect must be there once: every task is done, by one run
//! that completed; others of it were never started. Nothing is left over, and the store is sound.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tenure_tests::flags::Flags;
use tenure_tests::ledger::Ledger;
use tenure_tests::process::Signal;
use tenure_tests::{Database, Dispatcher, Home, program, wait_until};

const FLAGS: [(&str, u64); 4] = [("rounds", 20), ("tasks", 200), ("seed", 1), ("postgres", 0)];

/// How long the first dispatcher lives at most, from the start of its program: some are killed before
/// they are ready, most of them in the midst of their work.
const LIFE: Duration = Duration::from_millis(250);

/// How much longer each may live than the one before, so that a slow machine gets on, too.
const PATIENCE: Duration = Duration::from_millis(4);

/// What a killed dispatcher may cost: being claimed in vain, as often as chance wants.
const CONFIG: &str =
    "[dispatcher]\nslots = 8\n[defaults]\nmax_benign = 1000\nmax_failures = 1\nmax_lost = 1";

fn main() -> ExitCode {
    let flags = match Flags::given(&FLAGS) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let (rounds, tasks, seed) = (flags.get("rounds"), flags.count("tasks"), flags.get("seed"));
    let database = Database::of_flag(flags.get("postgres"));
    let began = Instant::now();
    let (mut kills, mut in_vain, mut wrong) = (0, 0, 0);
    for round in 0..rounds {
        // A seed of its own, so that a round can be repeated alone.
        let seed = seed + round;
        let found = play(database, seed, tasks);
        kills += found.kills;
        in_vain += found.in_vain;
        wrong += found.wrong.len();
        for problem in found.wrong {
            println!("seed {seed}: {problem}");
        }
    }
    println!(
        "{database:?}, seed {seed}: {rounds} rounds of {tasks} tasks, {kills} dispatchers killed, {in_vain} claims in vain, {wrong} wrong; {:.1} s",
        began.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(wrong > 0))
}

/// What a round came to.
struct Found {
    kills: u32,
    in_vain: i64,
    wrong: Vec<String>,
}

fn play(database: Database, seed: u64, tasks: usize) -> Found {
    let mut random = StdRng::seed_from_u64(seed);
    let home = database.home_with(CONFIG);
    let file = home.write("work/tasks.toml", &batch(&mut random, tasks));
    let _ = home.tenure(&["submit", &file.display().to_string()]).ok();
    let mut dispatcher = home.serve();
    let mut kills = 0;
    while home.read("effects").lines().count() < tasks {
        thread::sleep((LIFE + PATIENCE * kills).mul_f64(random.random()));
        dispatcher.crash();
        dispatcher.launch_again(&home);
        kills += 1;
    }
    dispatcher.until_ready();
    let mut ledger = Ledger::of(&home);
    wait_until("every task is at rest", || {
        let moving = "SELECT count(*) FROM tasks WHERE status NOT IN ('done', 'blocked')";
        (ledger.number(moving) == 0).then_some(())
    });
    let mut wrong = ledger.contradictions();
    wrong.extend(outcomes(&mut ledger, tasks));
    wrong.extend(effects(&home, tasks));
    let in_vain = ledger.number("SELECT count(*) FROM runs WHERE outcome = 'never_started'");
    wrong.extend(stop(&home, &mut ledger, &mut dispatcher));
    Found {
        kills,
        in_vain,
        wrong,
    }
}

/// Workers that take up to a twentieth of a second, and end in ways that complete.
fn batch(random: &mut StdRng, tasks: usize) -> String {
    let worker = program::worker().display().to_string();
    let mut text = String::new();
    for _ in 0..tasks {
        let pause: u32 = random.random_range(0..50);
        let end = match random.random_range(0..4) {
            0 => "'complete', 'done'",
            1 => "'complete', 'done', 'exit', '3'",
            2 => "'complete', 'done', 'sleep', '50'",
            _ => "'exit', '0'",
        };
        let _ = writeln!(
            text,
            "[[task]]\ncommand = ['{worker}', 'sleep', '{pause}', 'append', 'effects', '{{TENURE_TASK_ID}}', {end}]"
        );
    }
    text
}

fn outcomes(ledger: &mut Ledger, tasks: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    let done = ledger.number("SELECT count(*) FROM tasks WHERE status = 'done'");
    if usize::try_from(done) != Ok(tasks) {
        wrong.push(format!("{done} of {tasks} tasks are done"));
    }
    let others = ledger.pairs(
        "SELECT outcome || ': ' || reason, CAST(count(*) AS TEXT) FROM runs
         WHERE outcome NOT IN ('completed', 'never_started') GROUP BY 1",
    );
    wrong.extend(others.iter().map(|(end, count)| format!("{count} {end}")));
    wrong
}

fn effects(home: &Home, tasks: usize) -> Vec<String> {
    let text = home.read("effects");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for task in text.lines() {
        *counts.entry(task).or_default() += 1;
    }
    let mut wrong: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count != 1)
        .map(|(task, count)| format!("task {task} had its effect {count} times"))
        .collect();
    if counts.len() != tasks {
        wrong.push(format!("{} of {tasks} tasks had an effect", counts.len()));
    }
    wrong
}

/// Stops the last dispatcher; what is left then.
fn stop(home: &Home, ledger: &mut Ledger, dispatcher: &mut Dispatcher) -> Vec<String> {
    dispatcher.signal(Signal::TERM);
    let code = dispatcher.ended();
    let mut wrong: Vec<String> = ledger
        .left(home)
        .iter()
        .map(|left| format!("left over: {left}"))
        .collect();
    if code != Some(0) {
        wrong.push(format!("the last dispatcher ended with {code:?}"));
    }
    wrong
}
