//! What an end counts toward, what it resets, and where the task goes from there.

use std::time::Duration;

use tenure_guard::{BlockKind, Report, TaskId};

use super::ask::Ask;
use super::backoff::Backoff;
use super::limits::Limits;
use super::link::Awaited;
use super::on_exit::{ExitKey, ExitRule};
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
    /// Blocks that its worker reported.
    pub blocks: u32,
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
    /// It waits for another task to be done.
    Behind {
        /// That one.
        parent: TaskId,
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
    /// The rule about exits that decided, where one did.
    pub rule: Option<(ExitKey, ExitRule)>,
    /// How the task stands for which the worker said this one waits, where it said so.
    pub awaited: Option<Awaited>,
    /// Why earlier attempts were blocked, oldest first, where the blocks come to their limit.
    pub story: &'a [String],
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
    /// | end | failures | violations | defers | benign | lost | blocks |
    /// |---|---|---|---|---|---|---|
    /// | completed | 0 | 0 | 0 | 0 | 0 | 0 |
    /// | a failure | +1 | | 0 | 0 | 0 | |
    /// | a violation | | +1 | 0 | 0 | 0 | |
    /// | deferred | | | +1 | 0 | 0 | |
    /// | blocked by its worker, or behind another task | | | | 0 | 0 | +1 |
    /// | a benign end | | | | +1 | | |
    /// | lost | | | | | +1 | |
    /// | what a person asked | | | | | | |
    /// | a person's `retry`, or `unblock` of what the breaker gave up | 0 | 0 | 0 | 0 | 0 | 0 |
    /// | a person's `unblock` otherwise | 0 | 0 | 0 | 0 | 0 | |
    ///
    /// **Invariant:** nothing repeats without bound. Each streak is reset only by ends that count
    /// toward a streak to its left, by a completion, or by a person; and whoever answers a worker's
    /// questions again and again does not reset the count of them.
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
            None if outcome == Outcome::Blocked && ask != Some(Ask::Block) => Self {
                blocks: self.blocks.saturating_add(1),
                ..worked
            },
            None => self,
        }
    }

    /// After a person let a task go on that was blocked so.
    #[must_use]
    pub fn after_unblock(self, kind: Option<BlockKind>) -> Self {
        match kind {
            Some(BlockKind::GaveUp) => Self::default(),
            Some(BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator) | None => {
                Self {
                    blocks: self.blocks,
                    ..Self::default()
                }
            }
        }
    }

    /// Where the task goes, with `self` as it stands *after* the end.
    pub fn next(self, ending: &Ending<'_>, limits: &Limits) -> Next {
        match Self::kind(ending.outcome, ending.ask()) {
            Some(kind) => self.again(kind, ending, limits),
            None => self.settled(ending, limits),
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
        if let Some((key, ExitRule::GiveUp)) = ending.rule {
            return Next::Blocked {
                kind: BlockKind::GaveUp,
                reason: format!(
                    "on_exit.{key} = give_up: {}: {}",
                    ending.outcome, ending.reason
                ),
            };
        }
        if streak >= limit {
            return Next::Blocked {
                kind: BlockKind::GaveUp,
                reason: format!(
                    "{name} = {limit} reached: {}: {}",
                    ending.outcome, ending.reason
                ),
            };
        }
        let backoff = limits.backoff_after(ending.outcome);
        let after = match kind {
            Kind::Failure | Kind::Violation => backoff.wait(streak, ending.jitter),
            Kind::Defer => match (ending.report, ending.rule) {
                (
                    Some(Report::Defer {
                        for_ms: Some(ms), ..
                    }),
                    _,
                ) => Duration::from_millis(*ms),
                (_, Some((_, ExitRule::Defer(Some(wait))))) => wait,
                (_, _) => limits.defer_for,
            },
            Kind::Benign | Kind::Lost => leniently(streak, backoff, ending.jitter),
        };
        Next::Again { after }
    }

    /// After an end that counts toward nothing.
    fn settled(self, ending: &Ending<'_>, limits: &Limits) -> Next {
        match ending.outcome {
            Outcome::Completed => Next::Done,
            Outcome::Cancelled => Next::Cancelled {
                archived: ending.ask() == Some(Ask::Archive),
            },
            Outcome::Blocked if ending.report.is_none() && ending.ask() == Some(Ask::Block) => {
                ending.blocked_by_a_person()
            }
            Outcome::Blocked => self.blocked(ending, limits),
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

impl Streaks {
    /// After a block that its worker reported, or a rule about exits: waits for a person or for the
    /// other task, or the breaker.
    fn blocked(self, ending: &Ending<'_>, limits: &Limits) -> Next {
        if self.blocks >= limits.max_blocks {
            let earlier = if ending.story.is_empty() {
                String::new()
            } else {
                format!("; before that: {}", ending.story.join("; "))
            };
            return Next::Blocked {
                kind: BlockKind::GaveUp,
                reason: format!(
                    "max_blocks = {} reached: {}: {}{earlier}",
                    limits.max_blocks, ending.outcome, ending.reason
                ),
            };
        }
        match (ending.report, ending.rule) {
            (Some(Report::Block { kind, reason }), _) => Next::Blocked {
                kind: *kind,
                reason: reason.clone(),
            },
            (Some(Report::Wait { after, .. }), _) => self.behind(*after, ending, limits),
            (_, Some((_, ExitRule::Block(kind)))) => Next::Blocked {
                kind,
                reason: ending.reason.to_owned(),
            },
            (_, _) => ending.blocked_by_a_person(),
        }
    }

    /// After "it waits for another task". What changed since that was said is a question for a
    /// person, and no task waits for what will never come.
    fn behind(self, parent: TaskId, ending: &Ending<'_>, limits: &Limits) -> Next {
        let question = |reason| Next::Blocked {
            kind: BlockKind::NeedsInput,
            reason,
        };
        match ending.awaited {
            Some(Awaited::Open) => Next::Behind { parent },
            Some(Awaited::Done) => Next::Again {
                after: leniently(
                    self.blocks,
                    limits.backoff_after(ending.outcome),
                    ending.jitter,
                ),
            },
            Some(Awaited::Circle) => question(format!(
                "it was to wait for task {parent}, which by now waits for it: a circle that a person must break"
            )),
            Some(Awaited::Gone) | None => question(format!(
                "it was to wait for task {parent}, and there is no such task any more"
            )),
        }
    }
}

/// The first such end in a row is nobody's fault: ready at once.
fn leniently(streak: u32, backoff: Backoff, jitter: u32) -> Duration {
    match streak.checked_sub(1) {
        None | Some(0) => Duration::ZERO,
        Some(before) => backoff.wait(before, jitter),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::life::backoff::BackoffBy;
    use Outcome as O;

    /// The streaks `[failures, violations, defers, benign, lost, blocks]`.
    fn array(streaks: Streaks) -> [u32; 6] {
        let Streaks {
            failures,
            violations,
            defers,
            benign,
            lost,
            blocks,
        } = streaks;
        [failures, violations, defers, benign, lost, blocks]
    }

    const FROM: Streaks = Streaks {
        failures: 10,
        violations: 20,
        defers: 30,
        benign: 40,
        lost: 50,
        blocks: 60,
    };

    /// From [`FROM`], where every end leads.
    const TABLE: [(Outcome, Option<Ask>, [u32; 6]); 20] = [
        (O::Completed, None, [0, 0, 0, 0, 0, 0]),
        (O::Failed, None, [11, 20, 0, 0, 0, 60]),
        (O::Crashed, None, [11, 20, 0, 0, 0, 60]),
        (O::TimedOut, Some(Ask::Timeout), [11, 20, 0, 0, 0, 60]),
        (O::Silent, Some(Ask::Silence), [11, 20, 0, 0, 0, 60]),
        (O::SpawnFailed, None, [11, 20, 0, 0, 0, 60]),
        (O::ProtocolViolation, None, [10, 21, 0, 0, 0, 60]),
        (O::Deferred, None, [10, 20, 31, 0, 0, 60]),
        (O::Blocked, None, [10, 20, 30, 0, 0, 61]),
        (O::Blocked, Some(Ask::Timeout), [10, 20, 30, 0, 0, 61]),
        (O::Blocked, Some(Ask::Block), [10, 20, 30, 40, 50, 60]),
        (O::NeverStarted, None, [10, 20, 30, 41, 50, 60]),
        (O::Stale, None, [10, 20, 30, 41, 50, 60]),
        (O::Reclaimed, None, [10, 20, 30, 41, 50, 60]),
        (O::Reclaimed, Some(Ask::Reclaim), [10, 20, 30, 40, 50, 60]),
        (
            O::Interrupted,
            Some(Ask::Shutdown),
            [10, 20, 30, 41, 50, 60],
        ),
        (O::Interrupted, None, [10, 20, 30, 41, 50, 60]),
        (O::Lost, None, [10, 20, 30, 40, 51, 60]),
        (O::Stopped, Some(Ask::Stop), [10, 20, 30, 40, 50, 60]),
        (O::Cancelled, Some(Ask::Cancel), [10, 20, 30, 40, 50, 60]),
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
            rule: None,
            awaited: None,
            story: &[],
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
                    Next::Done | Next::Cancelled { .. } | Next::Behind { .. } => {
                        panic!("{outcome}: {next:?}")
                    }
                }
            }
        }
    }

    #[test]
    fn a_persons_unblock_keeps_the_count_of_blocks_unless_the_breaker_gave_up() {
        for kind in BlockKind::ALL {
            let blocks = if kind == BlockKind::GaveUp { 0 } else { 60 };
            let after = array(FROM.after_unblock(Some(kind)));
            assert_eq!(after, [0, 0, 0, 0, 0, blocks], "{kind:?}");
        }
    }

    fn blocked_by(report: &Report, awaited: Option<Awaited>, blocks: u32) -> Next {
        let streaks = Streaks {
            blocks,
            ..Streaks::default()
        };
        let said = Ending {
            report: Some(report),
            awaited,
            story: &["run 3: which?".to_owned()],
            ..ending(O::Blocked, None, u32::MAX)
        };
        streaks.next(&said, &Limits::default())
    }

    #[test]
    fn a_worker_that_blocks_again_and_again_is_given_up_with_the_story() {
        let report = Report::Block {
            kind: BlockKind::Capability,
            reason: "no key".into(),
        };
        let blocked = Next::Blocked {
            kind: BlockKind::Capability,
            reason: "no key".into(),
        };
        assert_eq!(blocked_by(&report, None, 4), blocked);
        let reason = "max_blocks = 5 reached: blocked: because; before that: run 3: which?";
        let gave_up = Next::Blocked {
            kind: BlockKind::GaveUp,
            reason: reason.into(),
        };
        assert_eq!(blocked_by(&report, None, 5), gave_up);
    }

    #[test]
    fn who_waits_for_another_task_stands_behind_it_unless_it_is_done() {
        let parent = TaskId(9);
        let report = Report::Wait {
            after: parent,
            reason: None,
        };
        let again = |seconds| Next::Again {
            after: Duration::from_secs(seconds),
        };
        let next = |awaited, blocks| blocked_by(&report, Some(awaited), blocks);
        assert_eq!(next(Awaited::Open, 1), Next::Behind { parent });
        assert_eq!(next(Awaited::Done, 1), again(0));
        assert_eq!(next(Awaited::Done, 3), again(4));
        for awaited in [Awaited::Circle, Awaited::Gone] {
            let Next::Blocked { kind, reason } = next(awaited, 1) else {
                panic!("{awaited:?} is no question");
            };
            assert_eq!(kind, BlockKind::NeedsInput);
            assert!(reason.contains("task 9"), "{reason}");
        }
        for awaited in [Awaited::Open, Awaited::Done] {
            let next = next(awaited, 5);
            let gave_up = BlockKind::GaveUp;
            assert!(matches!(next, Next::Blocked { kind, .. } if kind == gave_up));
        }
    }

    #[test]
    fn a_rule_about_exits_decides_where_its_task_goes() {
        let by = |outcome, rule| {
            let ruled = Ending {
                rule: Some((ExitKey::Code(2), rule)),
                ..ending(outcome, None, u32::MAX)
            };
            let streaks = Streaks::default().after(outcome, None);
            streaks.next(&ruled, &Limits::default())
        };
        let blocked = |kind, reason: &str| Next::Blocked {
            kind,
            reason: reason.into(),
        };
        let wait = Duration::from_secs(7);
        assert_eq!(
            by(O::Blocked, ExitRule::Block(BlockKind::Capability)),
            blocked(BlockKind::Capability, "because")
        );
        assert_eq!(
            by(O::Deferred, ExitRule::Defer(Some(wait))),
            Next::Again { after: wait }
        );
        assert_eq!(
            by(O::Failed, ExitRule::GiveUp),
            blocked(BlockKind::GaveUp, "on_exit.2 = give_up: failed: because")
        );
    }

    #[test]
    fn a_back_off_of_its_own_goes_before_that_of_all_outcomes() {
        let hour = Duration::from_hours(1);
        let own = Backoff {
            base: hour,
            max: hour,
        };
        let limits = Limits {
            backoff_by: BackoffBy([(O::TimedOut, own)].into()),
            ..Limits::default()
        };
        for (outcome, after) in [(O::TimedOut, hour), (O::Failed, Duration::from_secs(2))] {
            let streaks = Streaks::default().after(outcome, None);
            let next = streaks.next(&ending(outcome, None, u32::MAX), &limits);
            assert_eq!(next, Next::Again { after }, "{outcome}");
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
