//! What is said at the end.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use crate::field::Field;
use crate::judge::Found;

/// Prints what happened, and what is wrong of it.
pub fn print(field: &Field, found: &Found, seed: u64, steps: u64, took: Duration) {
    println!("faults: {}", counts(&field.nemesis.begun));
    println!("runs: {}", counts(&found.outcomes));
    println!(
        "{} lines that dispatchers wrote on another day; the longest call to the store took {:.1} s; \
         {} verbs asked on hosts, the longest took {:.1?}",
        field.lines_of_another_day(),
        field.longest_call,
        field.asked.len(),
        longest(&field.asked),
    );
    let narrowest = found
        .narrowest_ms
        .map(|millis| format!(", one {millis} ms before it"));
    println!(
        "workers at their lease's end: {} outlived it, whose warden could not act{}",
        found.unguarded_and_late,
        narrowest.unwrap_or_default(),
    );
    println!(
        "seed {seed}: {steps} steps, {} tasks done; {} effects taken, {} refused to stale runs; {} reports kept; \
         healed {} times, p50 {:.1?}, at most {:.1?}; {} wrong; {:.0} s",
        found.done,
        found.taken,
        found.refused,
        found.kept,
        field.healed.len(),
        median(&field.healed),
        longest(&field.healed),
        found.wrong.len(),
        took.as_secs_f64(),
    );
    for problem in &found.wrong {
        println!("  {problem}");
    }
    if !found.wrong.is_empty() {
        println!("logs: {}", field.place.keep_logs(seed).display());
    }
}

fn counts(counts: &BTreeMap<impl Display, impl Display>) -> String {
    let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn longest(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
