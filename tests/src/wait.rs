//! Waiting for a fact instead of sleeping for luck.

use std::thread;
use std::time::{Duration, Instant};

/// How long any fact may take: far more than it needs, since a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How often a fact is looked at.
const PAUSE: Duration = Duration::from_millis(10);

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
    loop {
        if let Some(value) = look() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
