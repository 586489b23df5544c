//! How long to wait before the next attempt: exponential, with full jitter.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use crate::duration;

/// The bounds of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table like { base = \"2s\", max = \"10m\" }"
)]
pub struct Backoff {
    /// The most that is waited after the first bad end.
    #[serde(with = "duration")]
    pub base: Duration,
    /// The most that is ever waited.
    #[serde(with = "duration")]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(2),
            max: Duration::from_mins(10),
        }
    }
}

impl Backoff {
    /// The wait after the `streak`-th bad end in a row (from 1): somewhere between nothing and
    /// `base * 2^(streak-1)`, never over `max`. `jitter` is a random number of the caller's; full
    /// jitter keeps tasks that failed together from coming back together.
    pub fn wait(self, streak: u32, jitter: u32) -> Duration {
        let doublings = streak.saturating_sub(1).min(31);
        let ceiling = self.base.saturating_mul(1 << doublings).min(self.max);
        let share = f64::from(jitter) / f64::from(u32::MAX);
        ceiling.mul_f64(share)
    }
}

/// Bounds of the wait for some outcomes, over those for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Backoff>")]
pub struct BackoffBy(pub BTreeMap<Outcome, Backoff>);

impl BackoffBy {
    /// These, and what the layer beneath says of other outcomes.
    #[must_use]
    pub fn over(mut self, beneath: Self) -> Self {
        for (outcome, backoff) in beneath.0 {
            self.0.entry(outcome).or_insert(backoff);
        }
        self
    }
}

impl TryFrom<BTreeMap<String, Backoff>> for BackoffBy {
    type Error = String;

    fn try_from(said: BTreeMap<String, Backoff>) -> Result<Self, String> {
        let mut bounds = BTreeMap::new();
        for (word, backoff) in said {
            let outcome: Outcome = word.parse().map_err(|error| format!("{error}"))?;
            match outcome {
                Outcome::Failed
                | Outcome::Crashed
                | Outcome::ProtocolViolation
                | Outcome::TimedOut
                | Outcome::Silent
                | Outcome::SpawnFailed
                | Outcome::NeverStarted
                | Outcome::Stale
                | Outcome::Reclaimed
                | Outcome::Lost
                | Outcome::Interrupted => bounds.insert(outcome, backoff),
                Outcome::Deferred => {
                    return Err(format!(
                        "{word} waits as its worker says, else for defer_for: set that"
                    ));
                }
                Outcome::Completed | Outcome::Blocked | Outcome::Stopped | Outcome::Cancelled => {
                    return Err(format!(
                        "after {word} nothing waits to be tried again: leave it out"
                    ));
                }
            };
        }
        Ok(Self(bounds))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_never_exceeds_the_doubled_base_nor_the_maximum(streak in 1u32..100, jitter: u32) {
            let backoff = Backoff::default();
            let wait = backoff.wait(streak, jitter);
            prop_assert!(wait <= backoff.max);
            prop_assert!(wait <= backoff.base.saturating_mul(1 << (streak - 1).min(31)));
        }
    }

    #[test]
    fn the_jitter_spans_the_whole_wait() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(3, 0), Duration::ZERO);
        assert_eq!(backoff.wait(3, u32::MAX), Duration::from_secs(8));
    }
}
