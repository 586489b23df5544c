//! What an end counts toward, what it resets, and where the task goes from there.

use std::time::Duration;

use tenure_guard::{BlockKind, Report};

use super::ask::Ask;
use super::limits::Limits;
use super::outcome::Outcome;

/// Ends of each kind since the last end that reset it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaks {
    /// Failed, crashed, timed out, silent, not executable.
    pub failures: u32,
    /// Protocol violations.
    pub violations: u32,
    /// Defers.
    pub defers: u32,
    /// Never started, stale, reclaimed by time, interrupted.
    pub benign: u32,
    /// Lost.
    pub lost: u32,
}

/// Which streak an end counts toward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failure,
    Violation,
    Defer,
    Benign,
    Lost,
}

/// Where the task goes after an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The work is done.
    Done,
    /// Ready again, after this wait; none where it is zero.
    Again {
        /// The wait.
        after: Duration,
    },
    /// It waits for a person.
    Blocked {
        /// Why it waits.
        kind: BlockKind,
        /// In words; for [`BlockKind::GaveUp`] it names the limit.
        reason: String,
    },
    /// Not wanted any more.
    Cancelled {
        /// And put away.
        archived: bool,
    },
}

/// Facts about an end, beside its outcome, that decide where the task goes.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// The outcome.
    pub outcome: Outcome,
    /// The outcome's reason.
    pub reason: &'a str,
    /// The worker's word, if it was recorded.
    pub report: Option<&'a Report>,
    /// What was asked, if anything.
    pub asked: Option<Asked<'a>>,
    /// A random number for the back-off.
    pub jitter: u32,
}

/// What was asked of a run, with what a person said to it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What was asked.
    pub ask: Ask,
    /// The kind of block that a person chose.
    pub kind: Option<BlockKind>,
    /// The person's reason.
    pub reason: Option<&'a str>,
}

impl Ending<'_> {
    fn ask(&self) -> Option<Ask> {
        self.asked.map(|asked| asked.ask)
    }

    /// What a person who asked for it said, else what the end itself says.
    fn blocked_by_a_person(&self) -> Next {
        let said = self.asked.and_then(|asked| asked.reason);
        Next::Blocked {
            kind: self
                .asked
                .and_then(|asked| asked.kind)
                .unwrap_or(BlockKind::Operator),
            reason: said.unwrap_or(self.reason).to_owned(),
        }
    }
}

impl Streaks {
    /// Which streak an outcome counts toward. A reclaim that a person asked for does not count.
    fn kind(outcome: Outcome, ask: Option<Ask>) -> Option<Kind> {
        match outcome {
            Outcome::Failed
            | Outcome::Crashed
            | Outcome::TimedOut
            | Outcome::Silent
            | Outcome::SpawnFailed => Some(Kind::Failure),
            Outcome::ProtocolViolation => Some(Kind::Violation),
            Outcome::Deferred => Some(Kind::Defer),
            Outcome::Reclaimed if ask == Some(Ask::Reclaim) => None,
            Outcome::NeverStarted | Outcome::Stale | Outcome::Reclaimed | Outcome::Interrupted => {
                Some(Kind::Benign)
            }
            Outcome::Lost => Some(Kind::Lost),
            Outcome::Completed | Outcome::Blocked | Outcome::Stopped | Outcome::Cancelled => None,
        }
    }

    /// **The table of resets.** An end of one kind resets the kinds that it proves over.
    ///
    /// | end | failures | violations | defers | benign | lost |
    /// |---|---|---|---|---|---|
    /// | completed | 0 | 0 | 0 | 0 | 0 |
    /// | a failure | +1 | | 0 | 0 | 0 |
    /// | a violation | | +1 | 0 | 0 | 0 |
    /// | deferred | | | +1 | 0 | 0 |
    /// | blocked by its worker | | | | 0 | 0 |
    /// | a benign end | | | | +1 | |
    /// | lost | | | | | +1 |
    /// | what a person asked | | | | | |
    ///
    /// **Invariant:** nothing repeats without bound. Each streak is reset only by ends that count
    /// toward a streak to its left, by a completion, or by a person.
    #[must_use]
    pub fn after(self, outcome: Outcome, ask: Option<Ask>) -> Self {
        if outcome == Outcome::Completed {
            return Self::default();
        }
        let worked = Self {
            benign: 0,
            lost: 0,
            ..self
        };
        match Self::kind(outcome, ask) {
            Some(Kind::Failure) => Self {
                failures: self.failures.saturating_add(1),
                defers: 0,
                ..worked
            },
            Some(Kind::Violation) => Self {
                violations: self.violations.saturating_add(1),
                defers: 0,
                ..worked
            },
            Some(Kind::Defer) => Self {
                defers: self.defers.saturating_add(1),
                ..worked
            },
            Some(Kind::Benign) => Self {
                benign: self.benign.saturating_add(1),
                ..self
            },
            Some(Kind::Lost) => Self {
                lost: self.lost.saturating_add(1),
                ..self
            },
            None if outcome == Outcome::Blocked && ask != Some(Ask::Block) => worked,
            None => self,
        }
    }

    /// Where the task goes, with `self` as it stands *after* the end.
    pub fn next(self, ending: &Ending<'_>, limits: &Limits) -> Next {
        match Self::kind(ending.outcome, ending.ask()) {
            Some(kind) => self.again(kind, ending, limits),
            None => Self::settled(ending),
        }
    }

    /// After an end that counts: again after a wait, or the breaker.
    fn again(self, kind: Kind, ending: &Ending<'_>, limits: &Limits) -> Next {
        let (streak, limit, name) = match kind {
            Kind::Failure => (self.failures, limits.max_failures, "max_failures"),
            Kind::Violation => (self.violations, limits.violation_limit, "violation_limit"),
            Kind::Defer => (self.defers, limits.max_defers, "max_defers"),
            Kind::Benign => (self.benign, limits.max_benign, "max_benign"),
            Kind::Lost => (self.lost, limits.max_lost, "max_lost"),
        };
        if streak >= limit {
            return Next::Blocked {
                kind: BlockKind::GaveUp,
                reason: format!(
                    "{name} = {limit} reached: {}: {}",
                    ending.outcome, ending.reason
                ),
            };
        }
        let after = match kind {
            Kind::Failure | Kind::Violation => limits.backoff.wait(streak, ending.jitter),
            Kind::Defer => match ending.report {
                Some(Report::Defer {
                    for_ms: Some(ms), ..
                }) => Duration::from_millis(*ms),
                Some(_) | None => limits.defer_for,
            },
            // The first such end in a row is nobody's fault: ready at once.
            Kind::Benign | Kind::Lost if streak < 2 => Duration::ZERO,
            Kind::Benign | Kind::Lost => limits.backoff.wait(streak - 1, ending.jitter),
        };
        Next::Again { after }
    }

    /// After an end that counts toward nothing.
    fn settled(ending: &Ending<'_>) -> Next {
        match ending.outcome {
            Outcome::Completed => Next::Done,
            Outcome::Cancelled => Next::Cancelled {
                archived: ending.ask() == Some(Ask::Archive),
            },
            Outcome::Blocked => match ending.report {
                Some(Report::Block { kind, reason }) => Next::Blocked {
                    kind: *kind,
                    reason: reason.clone(),
                },
                Some(_) | None => ending.blocked_by_a_person(),
            },
            Outcome::Stopped => ending.blocked_by_a_person(),
            Outcome::Reclaimed => Next::Again {
                after: Duration::ZERO,
            },
            Outcome::Deferred
            | Outcome::Failed
            | Outcome::Crashed
            | Outcome::ProtocolViolation
            | Outcome::TimedOut
            | Outcome::Silent
            | Outcome::SpawnFailed
            | Outcome::NeverStarted
            | Outcome::Stale
            | Outcome::Lost
            | Outcome::Interrupted => unreachable!("{} counts toward a streak", ending.outcome),
        }
    }
}
