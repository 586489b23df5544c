//! Calls to the store that ended after their deadline, by what dispatchers say of slow ones. One that went
//! on while its dispatcher was stopped says nothing; any other must not be.

use jiff::Timestamp;

use crate::fault::DAY;

/// What a dispatcher logs of a call that took long.
const SLOW: &str = "slow call to the store";

/// How many seconds a call may take: its deadline, and one for a busy machine.
pub const LIMIT: f64 = 3.0 + 1.0;

/// When a dispatcher was stopped, in seconds of the kernel's wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// On which host.
    pub host: usize,
    /// From when.
    pub from: i64,
    /// Until when.
    pub until: i64,
}

/// The slow calls of a host's log, but those that went on while its dispatcher was stopped: how many
/// seconds each took, and the line that tells of it.
pub fn calls(log: &str, host: usize, pauses: &[Pause]) -> Vec<(f64, String)> {
    let pauses: Vec<&Pause> = pauses.iter().filter(|pause| pause.host == host).collect();
    log.lines()
        .filter(|line| line.contains(SLOW))
        .filter(|line| !pauses.iter().any(|pause| excuses(pause, line)))
        .map(|line| (seconds(line), format!("host{}: {line}", host + 1)))
        .collect()
}

/// Whether a call went on while its dispatcher was stopped. The line's clock may have been wrong by whole
/// days, so only the time of the day is compared.
fn excuses(pause: &Pause, line: &str) -> bool {
    let told = line.split_whitespace().next().unwrap_or_default();
    let told = told.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    // Whole seconds, and one more for the time from the going on to the line.
    let since_end = (told - pause.until).rem_euclid(DAY);
    let since_end = if since_end > DAY / 2 {
        since_end - DAY
    } else {
        since_end
    };
    let since_begin = since_end + (pause.until - pause.from);
    since_begin >= -1
        && f64::from(i32::try_from(since_end).unwrap_or(i32::MAX)) <= seconds(line) + 2.0
}

/// How long the call took that a line tells of.
fn seconds(line: &str) -> f64 {
    let took = line.split("call.seconds=").nth(1).unwrap_or_default();
    let took = took.split_whitespace().next().unwrap_or_default();
    took.parse().unwrap_or_default()
}
