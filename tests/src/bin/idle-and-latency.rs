//! Measures a dispatcher, and judges nothing: figures depend on the machine, so no test asserts them.
//!
//! ```text
//! cargo build --release -p tenure-tests --bins && target/release/idle-and-latency [ADDS] [SECONDS]
//! ```
//!
//! 1. How long from `tenure add` on an idle dispatcher to the worker's first instruction, both from the
//!    beginning of `add` and from the commit that its task tells.
//! 2. How often an idle dispatcher wakes up in a second: the context switches of all its threads.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tenure_tests::home::runs;
use tenure_tests::process::Process;
use tenure_tests::{Home, wait_until};

/// How many tasks are added, one after the other.
const ADDS: usize = 200;

/// How long idleness is watched.
const SECONDS: u64 = 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let adds = arguments.next().map_or(Ok(ADDS), |text| text.parse());
    let seconds = arguments.next().map_or(Ok(SECONDS), |text| text.parse());
    let (Ok(adds @ 1..), Ok(seconds @ 1..)) = (adds, seconds) else {
        eprintln!("usage: idle-and-latency [ADDS] [SECONDS], both whole numbers from 1");
        return ExitCode::from(2);
    };
    measure("sqlite", &Home::new(), adds, seconds);
    match tenure_tests::postgres::database() {
        Some(url) => measure("postgresql", &Home::on(&url, ""), adds, seconds),
        None => println!("postgresql: not installed, not measured"),
    }
    ExitCode::SUCCESS
}

fn measure(store: &str, home: &Home, adds: usize, seconds: u64) {
    let dispatcher = home.serve();
    let mut from_add = Vec::with_capacity(adds);
    let mut from_commit = Vec::with_capacity(adds);
    for _ in 0..adds {
        let (add, commit) = one_task(home);
        from_add.push(add);
        from_commit.push(commit);
    }
    println!(
        "{store}: worker's first instruction after `tenure add` began: {}",
        spread(from_add)
    );
    println!(
        "{store}: worker's first instruction after its task was committed: {}",
        spread(from_commit)
    );

    // What the last task left to do is done.
    thread::sleep(Duration::from_secs(2));
    let before = switches(dispatcher.process());
    thread::sleep(Duration::from_secs(seconds));
    let after = switches(dispatcher.process());
    let mut total = 0;
    let mut busy = Vec::new();
    for (thread, (name, count)) in after {
        let count = count.saturating_sub(before.get(&thread).map_or(0, |(_, before)| *before));
        total += count;
        if count > 0 {
            busy.push(format!("{name} {count}"));
        }
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of some seconds is far below 2^52"
    )]
    let rate = total as f64 / seconds as f64;
    println!(
        "{store}: an idle dispatcher woke up {total} times in {seconds} s, {rate:.2} a second ({})",
        busy.join(", ")
    );
}

/// Adds one task whose worker tells the time first thing; milliseconds since `add` began, and since
/// the task was committed (to the millisecond, by the store's clock on the same machine).
fn one_task(home: &Home) -> (f64, f64) {
    let file = home.at("began");
    // It may be the first round.
    let _ = fs::remove_file(&file);
    let began = now_millis();
    let task = home.add(&[], &["tell-time", &file]);
    let told = home.until_written("began");
    let first: f64 = told.trim().parse().expect("the worker tells milliseconds");
    let shown = wait_until("the task is done", || {
        let shown = home.show(task);
        (shown["task"]["status"] == "done").then_some(shown)
    });
    let created = shown["task"]["created_at"]
        .as_str()
        .expect("a task has a time");
    let created: jiff::Timestamp = created.parse().expect("RFC 3339");
    assert_eq!(runs(&shown).len(), 1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit into 2^52"
    )]
    let created = created.as_millisecond() as f64;
    (first - began, first - created)
}

/// Now, in milliseconds since 1970, with their fractions.
fn now_millis() -> f64 {
    let now = jiff::Timestamp::now();
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds since 1970 fit into 2^52"
    )]
    let micros = now.as_microsecond() as f64;
    micros / 1000.0
}

/// Median, 95th percentile and worst.
fn spread(mut millis: Vec<f64>) -> String {
    millis.sort_by(f64::total_cmp);
    let at = |percent: usize| millis[(millis.len() - 1) * percent / 100];
    format!(
        "p50 {:.1} ms, p95 {:.1} ms, worst {:.1} ms of {}",
        at(50),
        at(95),
        at(100),
        millis.len()
    )
}

/// How often each thread of a process was switched to, of its own will or not, with its name.
fn switches(process: Process) -> BTreeMap<OsString, (String, u64)> {
    let threads =
        fs::read_dir(format!("/proc/{}/task", process.pid)).expect("the dispatcher lives");
    threads
        .filter_map(|thread| {
            let thread = thread.ok()?;
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            let last = |line: &str| line.split_whitespace().last().map(str::to_owned);
            let count = status
                .lines()
                .filter(|line| line.contains("ctxt_switches"))
                .filter_map(|line| last(line)?.parse::<u64>().ok())
                .sum();
            let name = status.lines().find(|line| line.starts_with("Name:"));
            Some((thread.file_name(), (name.and_then(last)?, count)))
        })
        .collect()
}
