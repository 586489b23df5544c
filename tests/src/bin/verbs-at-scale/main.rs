//! Measures how long verbs take on a store of many tasks, and whether that grows with the number of
//! finished ones. It judges nothing: figures depend on the machine, so no test asserts them.
//!
//! ```text
//! cargo build --release -p tenure -p tenure-tests && target/release/verbs-at-scale \
//!     [--tasks N] [--events N] [--factor N] [--runs N] [--claims N] [--postgres 1]
//! ```
//!
//! First come the claims: `--claims` tasks are claimed on a store where hardly more may start, and so many
//! again after `--tasks` more became ready and ten times as many finished. Then, on another store, the verbs.
//!
//! A tenth of `--tasks` is unfinished: ready behind a full cap, ready behind a limit key, paused,
//! scheduled, waiting for parents, blocked by people and by the breaker. The rest is finished. A real
//! dispatcher serves the store. Each verb is run `--runs` times, each time as a process of its own;
//! then there are `--factor` times as many finished tasks, and each verb is run again. Beside the time
//! from start to end stands the time that the process had a core for, which other programs on the machine
//! hardly change, and of which the ratio is taken; a server's share of the work is not in it.

mod bulk;
mod claims;

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use bulk::Bulk;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tenure_tests::flags::Flags;
use tenure_tests::{Home, postgres, wait_until};

const FLAGS: [(&str, u64); 6] = [
    ("tasks", 100_000),
    ("events", 1_000_000),
    ("factor", 10),
    ("runs", 20),
    ("claims", 2000),
    ("postgres", 0),
];

/// Two profiles: one whose cap is full while its first tasks run, and the tasks' own commands.
const CONFIG: &str = r#"
[dispatcher]
slots = 8

[profiles.capped]
command = ["sleep", "36000"]
max_running = 2
"#;

fn main() -> ExitCode {
    let flags = match Flags::given(&FLAGS) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let (Some(few), Some(many)) = (home(&flags), home(&flags)) else {
        return ExitCode::FAILURE;
    };
    claims::measure(&few, &flags);
    drop(few);
    measure(&many, &flags);
    ExitCode::SUCCESS
}

/// A home on a store of its own; none where there is no server and one is asked for.
fn home(flags: &Flags) -> Option<Home> {
    if flags.get("postgres") == 0 {
        return Some(Home::with(CONFIG));
    }
    Some(Home::on(&postgres::database()?, CONFIG))
}

fn measure(home: &Home, flags: &Flags) {
    let (tasks, events) = (flags.get("tasks"), flags.get("events"));
    let finished = tasks - tasks / 10;
    let mut bulk = Bulk::of(home);
    bulk.unfinished(tasks / 10);
    bulk.finish(finished, events / tasks.max(1));
    bulk.settle();
    let dispatcher = home.serve();
    wait_until("the caps are full", || {
        let running = bulk.number("SELECT count(*) FROM tasks WHERE status = 'running'");
        (running == 3).then_some(())
    });
    let ids = bulk.specimens();

    let few = round(home, &ids, flags.count("runs"));
    let more = finished * (flags.get("factor").max(1) - 1);
    // What is written for a task that goes straight to its end: four events.
    bulk.finish(more, 4);
    bulk.settle();
    let many = round(home, &ids, flags.count("runs"));

    println!(
        "{} tasks, {} of them finished; then {} more finished ones, {} events in all",
        tasks,
        finished,
        more,
        bulk.number("SELECT count(*) FROM events"),
    );
    println!(
        "{:<32} {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} | {:>6}",
        "milliseconds", "p50", "p95", "core p50", "p50", "p95", "core p50", "ratio"
    );
    for (few, many) in few.iter().zip(&many) {
        let [few_p50, few_p95, few_core] = few.figures();
        let [many_p50, many_p95, many_core] = many.figures();
        println!(
            "{:<32} {few_p50:>8.1} {few_p95:>8.1} {few_core:>8.1} | \
             {many_p50:>8.1} {many_p95:>8.1} {many_core:>8.1} | {:>6.2}",
            few.verb,
            many_core / few_core,
        );
    }
    drop(dispatcher);
}

/// How long one verb took, each time, and how long it had a core; in milliseconds, sorted.
struct Taken {
    verb: String,
    all: Vec<f64>,
    core: Vec<f64>,
}

impl Taken {
    fn figures(&self) -> [f64; 3] {
        let at = |sorted: &[f64], percent: usize| sorted[(sorted.len() - 1) * percent / 100];
        [at(&self.all, 50), at(&self.all, 95), at(&self.core, 50)]
    }
}

/// Each verb so many times.
fn round(home: &Home, ids: &[(&'static str, i64)], runs: usize) -> Vec<Taken> {
    let mut lines: Vec<(String, Vec<String>)> = [
        "version",
        "list",
        "list --json --limit 50",
        "list --all --limit 50",
        "list --status done --limit 50",
        "list --status ready --limit 50",
        "stats",
        "diagnose",
        "diagnose --json",
        "doctor",
    ]
    .iter()
    .map(|line| {
        let words = line.split(' ').map(str::to_owned).collect();
        ((*line).to_owned(), words)
    })
    .collect();
    for (what, id) in ids {
        for verb in ["show", "explain", "runs", "events", "diagnose"] {
            let words = vec![verb.to_owned(), id.to_string()];
            lines.push((format!("{verb} ({what})"), words));
        }
    }
    // A task that is added, and taken back: what writing costs.
    lines.push((
        "add".to_owned(),
        ["add", "--not-before", "+1000h", "--", "true"]
            .map(str::to_owned)
            .to_vec(),
    ));
    lines
        .into_iter()
        .map(|(verb, words)| {
            // The first one warms the pages of whatever it reads, as anybody's second one finds them.
            time(home, &words);
            let (mut all, mut core): (Vec<f64>, Vec<f64>) =
                (0..runs.max(1)).map(|_| time(home, &words)).unzip();
            all.sort_by(f64::total_cmp);
            core.sort_by(f64::total_cmp);
            Taken { verb, all, core }
        })
        .collect()
}

/// Those that were waited for.
const CHILDREN: UsageWho = UsageWho::RUSAGE_CHILDREN;

/// Milliseconds from the start of a process to its end, and those for which it had a core.
fn time(home: &Home, words: &[String]) -> (f64, f64) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = home.command(&words);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let (began, had) = (Instant::now(), core(CHILDREN));
    let status = command.status().expect("tenure can be started");
    let taken = (millis(began.elapsed()), core(CHILDREN) - had);
    // 1 is a finding of `diagnose` or `doctor`.
    assert!(
        matches!(status.code(), Some(0 | 1)),
        "{words:?} ended with {status}"
    );
    taken
}

/// How many milliseconds this process, or the children that it waited for, had a core.
fn core(who: UsageWho) -> f64 {
    let usage = getrusage(who).expect("one may ask that of oneself");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)))
        .map(millis)
        .sum()
}

fn millis(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1000.0
}
