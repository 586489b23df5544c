//! How a program stands that is told of events: when it is tried again, when an event is given up, and
//! how long it is let be after that. Pure.
//!
//! One event may be at fault, so the next one is tried at once. A program that takes that one no more
//! than the first is away: what comes meanwhile passes it by, so that it neither holds up anything nor
//! is told of what nobody can act on any more, and the first event after a while tries it again.

use std::time::{Duration, Instant};

use tenure_store::event::Event;

/// How long is waited before each further try of an event.
const AGAIN: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
];

/// How long a program is let be at first; each time in a row twice as long.
const AWAY: Duration = Duration::from_secs(30);

/// And at most.
const AWAY_MOST: Duration = Duration::from_mins(10);

/// Why a program did not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It said so, by its exit code, or died; or our own side failed.
    Refused,
    /// It came to no end. Another try would take as long.
    Hung,
    /// It cannot be executed. Another try would find the same.
    NotExecutable,
}

/// What follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same event, after so long.
    Again(Duration),
    /// The event is given up, and that is to be said.
    GiveUp,
    /// The same, and it was said before: the program has taken nothing since.
    PassOver,
}

/// Events that passed a program by while it was away.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Missed {
    /// The first of them.
    pub(super) first: Event,
    /// How many.
    pub(super) number: u64,
}

/// How a program stands.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// How often the event at hand was tried in vain.
    tries: usize,
    /// How many events in a row it did not take.
    given_up: u32,
    /// How often in a row it was let be.
    times_away: u32,
    /// Until when it is.
    until: Option<Instant>,
    missed: Option<Missed>,
}

impl Standing {
    /// Whether an event passes it by.
    pub(super) fn is_away(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// An event passed it by.
    pub(super) fn miss(&mut self, event: Event) {
        match &mut self.missed {
            Some(missed) => missed.number += 1,
            None => {
                self.missed = Some(Missed {
                    first: event,
                    number: 1,
                });
            }
        }
    }

    /// It took an event; what passed it by before.
    pub(super) fn took(&mut self) -> Option<Missed> {
        std::mem::take(self).missed
    }

    /// It did not take an event.
    pub(super) fn failed(&mut self, now: Instant, why: Why) -> Next {
        if why == Why::Refused && self.given_up == 0 {
            let pause = AGAIN.get(self.tries);
            self.tries += 1;
            if let Some(pause) = pause {
                return Next::Again(*pause);
            }
        }
        self.tries = 0;
        self.given_up += 1;
        if self.given_up > 1 || why == Why::NotExecutable {
            let longer = 2_u32.saturating_pow(self.times_away);
            self.until = Some(now + AWAY.saturating_mul(longer).min(AWAY_MOST));
            self.times_away += 1;
        }
        if self.given_up == 1 {
            Next::GiveUp
        } else {
            Next::PassOver
        }
    }
}

#[cfg(test)]
mod tests {
    use tenure_store::EventId;
    use tenure_store::event::EventKind;

    use super::*;

    fn event(id: i64) -> Event {
        Event {
            id: EventId(id),
            task_id: None,
            run_id: None,
            kind: EventKind::Added.into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            payload: serde_json::Value::Null,
        }
    }

    #[test]
    fn an_event_that_is_not_taken_is_tried_again_so_often_and_the_next_one_once_and_at_once() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        for pause in AGAIN {
            assert_eq!(standing.failed(now, Why::Refused), Next::Again(pause));
        }
        assert_eq!(standing.failed(now, Why::Refused), Next::GiveUp);
        assert!(!standing.is_away(now), "it may have been the event's fault");
        assert_eq!(standing.failed(now, Why::Refused), Next::PassOver);
        assert!(standing.is_away(now));
        // Whoever takes one is as before.
        standing.took();
        assert!(!standing.is_away(now));
        assert_eq!(standing.failed(now, Why::Refused), Next::Again(AGAIN[0]));
    }

    #[test]
    fn what_would_fail_alike_is_not_tried_again() {
        let (mut standing, now) = (Standing::default(), Instant::now());
        assert_eq!(standing.failed(now, Why::Hung), Next::GiveUp);
        assert!(!standing.is_away(now));
        let mut standing = Standing::default();
        assert_eq!(standing.failed(now, Why::NotExecutable), Next::GiveUp);
        assert!(standing.is_away(now));
    }

    #[test]
    fn a_program_is_let_be_longer_each_time_and_never_for_too_long() {
        let (mut standing, mut now) = (Standing::default(), Instant::now());
        standing.failed(now, Why::NotExecutable);
        for away in [30, 60, 120, 240, 480, 600, 600].map(Duration::from_secs) {
            let almost = away.checked_sub(Duration::from_millis(1)).unwrap();
            assert!(standing.is_away(now + almost));
            assert!(!standing.is_away(now + away), "{away:?}");
            now += away;
            assert_eq!(standing.failed(now, Why::NotExecutable), Next::PassOver);
        }
    }

    #[test]
    fn what_passed_a_program_by_is_known_once_it_takes_something() {
        let mut standing = Standing::default();
        standing.failed(Instant::now(), Why::NotExecutable);
        standing.miss(event(3));
        standing.miss(event(4));
        let first = event(3);
        assert_eq!(standing.took(), Some(Missed { first, number: 2 }));
        assert_eq!(standing.took(), None);
    }
}
