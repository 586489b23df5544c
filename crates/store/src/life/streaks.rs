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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Outcome as O;

    /// The streaks `[failures, violations, defers, benign, lost]`.
    fn array(streaks: Streaks) -> [u32; 5] {
        let Streaks {
            failures,
            violations,
            defers,
            benign,
            lost,
        } = streaks;
        [failures, violations, defers, benign, lost]
    }

    const FROM: Streaks = Streaks {
        failures: 10,
        violations: 20,
        defers: 30,
        benign: 40,
        lost: 50,
    };

    /// From [`FROM`], where every end leads.
    const TABLE: [(Outcome, Option<Ask>, [u32; 5]); 20] = [
        (O::Completed, None, [0, 0, 0, 0, 0]),
        (O::Failed, None, [11, 20, 0, 0, 0]),
        (O::Crashed, None, [11, 20, 0, 0, 0]),
        (O::TimedOut, Some(Ask::Timeout), [11, 20, 0, 0, 0]),
        (O::Silent, Some(Ask::Silence), [11, 20, 0, 0, 0]),
        (O::SpawnFailed, None, [11, 20, 0, 0, 0]),
        (O::ProtocolViolation, None, [10, 21, 0, 0, 0]),
        (O::Deferred, None, [10, 20, 31, 0, 0]),
        (O::Blocked, None, [10, 20, 30, 0, 0]),
        (O::Blocked, Some(Ask::Timeout), [10, 20, 30, 0, 0]),
        (O::Blocked, Some(Ask::Block), [10, 20, 30, 40, 50]),
        (O::NeverStarted, None, [10, 20, 30, 41, 50]),
        (O::Stale, None, [10, 20, 30, 41, 50]),
        (O::Reclaimed, None, [10, 20, 30, 41, 50]),
        (O::Reclaimed, Some(Ask::Reclaim), [10, 20, 30, 40, 50]),
        (O::Interrupted, Some(Ask::Shutdown), [10, 20, 30, 41, 50]),
        (O::Interrupted, None, [10, 20, 30, 41, 50]),
        (O::Lost, None, [10, 20, 30, 40, 51]),
        (O::Stopped, Some(Ask::Stop), [10, 20, 30, 40, 50]),
        (O::Cancelled, Some(Ask::Cancel), [10, 20, 30, 40, 50]),
    ];

    #[test]
    fn every_end_counts_and_resets_as_in_the_table() {
        for outcome in Outcome::ALL {
            assert!(
                TABLE.iter().any(|(known, _, _)| known == outcome),
                "{outcome} is not in the table"
            );
        }
        for (outcome, ask, expected) in TABLE {
            assert_eq!(
                array(FROM.after(outcome, ask)),
                expected,
                "{outcome} {ask:?}"
            );
        }
    }

    fn ending(outcome: Outcome, ask: Option<Ask>, jitter: u32) -> Ending<'static> {
        Ending {
            outcome,
            reason: "because",
            report: None,
            asked: ask.map(|ask| Asked {
                ask,
                kind: None,
                reason: None,
            }),
            jitter,
        }
    }

    /// Where a task goes whose streaks are all at one after this end.
    fn first(outcome: Outcome, ask: Option<Ask>) -> Next {
        let streaks = Streaks::default().after(outcome, ask);
        streaks.next(&ending(outcome, ask, u32::MAX), &Limits::default())
    }

    #[test]
    fn the_first_end_of_each_kind_leads_where_the_contract_says() {
        let again = |seconds| Next::Again {
            after: Duration::from_secs(seconds),
        };
        for outcome in [
            O::Failed,
            O::Crashed,
            O::TimedOut,
            O::Silent,
            O::SpawnFailed,
        ] {
            assert_eq!(first(outcome, None), again(2), "{outcome}");
        }
        assert_eq!(first(O::ProtocolViolation, None), again(2));
        assert_eq!(first(O::Deferred, None), again(300));
        for outcome in [
            O::NeverStarted,
            O::Stale,
            O::Reclaimed,
            O::Interrupted,
            O::Lost,
        ] {
            assert_eq!(first(outcome, None), again(0), "{outcome}");
        }
        assert_eq!(first(O::Reclaimed, Some(Ask::Reclaim)), again(0));
        assert_eq!(first(O::Completed, None), Next::Done);
        for (ask, archived) in [(Ask::Cancel, false), (Ask::Archive, true)] {
            let next = Next::Cancelled { archived };
            assert_eq!(first(O::Cancelled, Some(ask)), next);
        }
        let stopped = Next::Blocked {
            kind: BlockKind::Operator,
            reason: "because".into(),
        };
        assert_eq!(first(O::Stopped, Some(Ask::Stop)), stopped);
    }

    #[test]
    fn a_benign_end_waits_from_the_second_in_a_row() {
        for outcome in [O::NeverStarted, O::Lost] {
            let twice = Streaks::default().after(outcome, None).after(outcome, None);
            let next = twice.next(&ending(outcome, None, u32::MAX), &Limits::default());
            let after = Duration::from_secs(2);
            assert_eq!(next, Next::Again { after }, "{outcome}");
        }
    }

    #[test]
    fn a_defer_waits_as_long_as_its_worker_said() {
        let report = Report::Defer {
            for_ms: Some(1234),
            reason: None,
        };
        let said = Ending {
            report: Some(&report),
            ..ending(O::Deferred, None, 0)
        };
        let streaks = Streaks::default().after(O::Deferred, None);
        let after = Duration::from_millis(1234);
        assert_eq!(
            streaks.next(&said, &Limits::default()),
            Next::Again { after }
        );
    }

    #[test]
    fn at_its_limit_each_kind_gives_up_and_names_it() {
        let limits = Limits::default();
        let kinds = [
            (O::Failed, limits.max_failures, "max_failures"),
            (
                O::ProtocolViolation,
                limits.violation_limit,
                "violation_limit",
            ),
            (O::Deferred, limits.max_defers, "max_defers"),
            (O::Stale, limits.max_benign, "max_benign"),
            (O::Lost, limits.max_lost, "max_lost"),
        ];
        for (outcome, limit, name) in kinds {
            let mut streaks = Streaks::default();
            for count in 1..=limit {
                streaks = streaks.after(outcome, None);
                let next = streaks.next(&ending(outcome, None, 0), &limits);
                match &next {
                    Next::Blocked { kind, reason } => {
                        assert_eq!((count, *kind), (limit, BlockKind::GaveUp));
                        let expected = format!("{name} = {limit} reached: {outcome}: because");
                        assert_eq!(reason, &expected);
                    }
                    Next::Again { .. } => assert!(count < limit, "{outcome} went on"),
                    Next::Done | Next::Cancelled { .. } => panic!("{outcome}: {next:?}"),
                }
            }
        }
    }

    /// Every end after which a task goes on by itself.
    fn repeating() -> impl Strategy<Value = Outcome> {
        prop::sample::select(vec![
            O::Failed,
            O::Crashed,
            O::TimedOut,
            O::Silent,
            O::SpawnFailed,
            O::ProtocolViolation,
            O::Deferred,
            O::NeverStarted,
            O::Stale,
            O::Reclaimed,
            O::Interrupted,
            O::Lost,
        ])
    }

    proptest! {
        /// Each streak is reset only by ends that count toward a streak to its left, so the longest
        /// life is bounded by the product of the limits.
        #[test]
        fn nothing_repeats_without_bound(
            outcomes in prop::collection::vec(repeating(), 4 * 4 * 4 * 4 * 4),
            limits in prop::array::uniform5(1..4_u32),
        ) {
            let [max_failures, violation_limit, max_defers, max_benign, max_lost] = limits;
            let limits = Limits {
                max_failures,
                violation_limit,
                max_defers,
                max_benign,
                max_lost,
                ..Limits::default()
            };
            let mut streaks = Streaks::default();
            let gave_up = outcomes.iter().any(|outcome| {
                streaks = streaks.after(*outcome, None);
                let next = streaks.next(&ending(*outcome, None, 0), &limits);
                matches!(next, Next::Blocked { kind: BlockKind::GaveUp, .. })
            });
            prop_assert!(gave_up, "went on for {} ends: {streaks:?}", outcomes.len());
        }

        /// An adversary that always chooses the end that keeps the task going longest.
        #[test]
        fn not_even_an_adversary_goes_on_for_ever(limit in 1..4_u32) {
            let limits = Limits {
                max_failures: limit,
                violation_limit: limit,
                max_defers: limit,
                max_benign: limit,
                max_lost: limit,
                ..Limits::default()
            };
            // From the cheapest end to the dearest: what resets the most comes last.
            let choices = [O::Lost, O::Stale, O::Deferred, O::ProtocolViolation, O::Failed];
            let mut streaks = Streaks::default();
            let mut ends = 0;
            while let Some(after) = choices.iter().map(|outcome| (outcome, streaks.after(*outcome, None))).find_map(|(outcome, after)| {
                let next = after.next(&ending(*outcome, None, 0), &limits);
                matches!(next, Next::Again { .. }).then_some(after)
            }) {
                streaks = after;
                ends += 1;
                prop_assert!(ends < 1024, "went on for {ends} ends");
            }
        }
    }
}
