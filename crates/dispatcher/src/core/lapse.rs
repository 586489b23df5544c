//! What silent hosts leave: where several share a store, time decides between them. Its wake-up is a
//! timer at the earliest end of a lease that is known; where none is known, a lease's length away,
//! because what is claimed meanwhile stands at least so long.

use std::time::{Duration, Instant};

use super::{Core, STORE_PAUSE};
use crate::action::Action;

/// When the leases of other hosts are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Never: no other host shares the store.
    Off,
    /// Now.
    UnderWay,
    /// At a time.
    At(Instant),
}

/// What a look at the leases of other hosts brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TakenBack {
    /// How many runs were taken back.
    pub(crate) runs: u32,
    /// Whether more are over, which somebody else may just be taking back.
    pub(crate) more: bool,
    /// How long until the next may be.
    pub(crate) next: Option<Duration>,
}

impl Core {
    /// Looks at the leases of other hosts where it is time to.
    pub(super) fn watch_leases(&mut self, now: Instant) -> Option<Action> {
        match self.watch {
            Watch::At(at) if now >= at => {
                self.watch = Watch::UnderWay;
                Some(Action::TakeBackLapsed)
            }
            Watch::At(_) | Watch::UnderWay | Watch::Off => None,
        }
    }

    /// What the look brought; nothing where the store did not answer.
    pub(super) fn taken_back(&mut self, now: Instant, back: Option<TakenBack>) -> Vec<Action> {
        let TakenBack { runs, more, next } = back.unwrap_or(TakenBack {
            more: true,
            ..TakenBack::default()
        });
        let Some(longest) = self.rules.lease_of_others else {
            return Vec::new();
        };
        let next = next.map_or(longest, |next| next.min(longest));
        let next = if more { next.min(STORE_PAUSE) } else { next };
        self.watch = Watch::At(now + next);
        if runs == 0 {
            return Vec::new();
        }
        // What was taken back may be ready again.
        self.look(now)
    }
}
