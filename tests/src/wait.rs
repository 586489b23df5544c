//! Waiting for a fact instead of sleeping for luck.

use std::thread;
use std::time::{Duration, Instant};

/// How long any fact may take: far more than it needs, since a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How long to pause between two looks: little at first, since most facts come soon, and more later,
/// since a look may start a program.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(50)];

/// Waits until `look` yields a value, and returns it.
///
/// # Panics
/// When [`PATIENCE`] is over; names the fact.
#[track_caller]
pub fn wait_until<T>(fact: &str, look: impl FnMut() -> Option<T>) -> T {
    match within(PATIENCE, look) {
        Some(value) => value,
        None => panic!("waited {PATIENCE:?} in vain for this: {fact}"),
    }
}

/// The same with a deadline of the caller's; `None` when it is over.
pub fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    let [mut pause, longest] = PAUSES;
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(longest);
    }
}
