//! What is claimed, and when: where there is room, one claim at a time. What a claim brought
//! becomes a run in our hands ([`super::run`]).
//!
//! **Invariant:** at most one claim is under way, so that room is never given away twice.

use std::time::Instant;

use tenure_guard::RunId;
use tenure_store::claim::{Claimed, Claims};
use tenure_store::life::Ask;

use super::adopt::Looking;
use super::run::{Origin, Run, Stage};
use super::{Core, Mode, STORE_PAUSE};
use crate::Finished;
use crate::action::Action;

/// Whether what was asked is being read. On a slow store looks come faster than answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Idle,
    /// And the store changed meanwhile: `again`.
    UnderWay {
        again: bool,
    },
}

/// Whether a claim is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claiming {
    Idle,
    /// And the store changed meanwhile: `again`.
    UnderWay {
        again: bool,
    },
}

impl Core {
    /// Reads what was asked, and claims where there is room.
    pub(super) fn look(&mut self, now: Instant) -> Vec<Action> {
        self.poll_at = now + self.rules.poll;
        self.look_at = self.held.next(now);
        if let Some(due_at) = self.due_at
            && due_at > now
        {
            self.look_by(due_at);
        }
        let mut actions = self.claim(now);
        actions.extend(self.read_asks());
        actions
    }

    fn read_asks(&mut self) -> Option<Action> {
        let open = |run: &Run| matches!(run.stage, Stage::Open { .. });
        if !self.runs.values().any(open) {
            return None;
        }
        match self.asks {
            Asking::UnderWay { .. } => {
                self.asks = Asking::UnderWay { again: true };
                None
            }
            Asking::Idle => {
                self.asks = Asking::UnderWay { again: false };
                Some(Action::ReadAsks)
            }
        }
    }

    /// What was asked is read; what was asked since then is read once more.
    pub(super) fn asks_read(&mut self, asks: &[(RunId, Ask)]) -> Vec<Action> {
        let again = self.asks == Asking::UnderWay { again: true };
        self.asks = Asking::Idle;
        let mut actions = self.asks(asks);
        if again {
            actions.extend(self.read_asks());
        }
        actions
    }

    /// Looks where something is known to be due; else, at the poll, only whether there is reason to.
    pub(super) fn time(&mut self, now: Instant) -> Vec<Action> {
        if self.look_at.is_some_and(|look_at| now >= look_at) {
            return self.look(now);
        }
        if now < self.poll_at {
            return Vec::new();
        }
        if self.rules.one_batch {
            // A batch that is over has nothing to claim, and must be seen to be over.
            return self.look(now);
        }
        self.poll_at = now + self.rules.poll;
        let may_claim = (self.mode == Mode::Serving).then_some(Action::AskWhetherToClaim);
        may_claim.into_iter().chain(self.read_asks()).collect()
    }

    /// Something is due at a time, perhaps before what is known to be.
    fn look_by(&mut self, time: Instant) {
        self.look_at = Some(self.look_at.map_or(time, |look_at| look_at.min(time)));
    }

    fn claim(&mut self, now: Instant) -> Vec<Action> {
        let taken = u32::try_from(self.runs.len()).unwrap_or(u32::MAX);
        let room = self.rules.slots.saturating_sub(taken);
        let is_due = self.due_at.is_some_and(|due_at| now >= due_at);
        let is_vain = room == 0 && !is_due;
        if self.mode != Mode::Serving || is_vain || self.looking == Looking::UnderWay {
            return Vec::new();
        }
        if let Claiming::UnderWay { again } = &mut self.claim {
            *again = true;
            return Vec::new();
        }
        let offers = self.rules.offers.iter();
        let offers = offers
            .filter(|offer| self.held.allows(&offer.profile, now))
            .cloned()
            .collect();
        self.claim = Claiming::UnderWay { again: false };
        self.due_at = None;
        vec![Action::Claim {
            room,
            offers,
            recover: std::mem::take(&mut self.recover),
        }]
    }

    pub(super) fn claimed(
        &mut self,
        now: Instant,
        answer: Result<Claims, tenure_store::Error>,
    ) -> Vec<Action> {
        let again = self.claim == Claiming::UnderWay { again: true };
        self.claim = Claiming::Idle;
        let claims = match answer {
            Ok(claims) => claims,
            Err(error @ tenure_store::Error::Outgrown { .. }) => {
                return vec![Action::GiveUp(error)];
            }
            Err(_) => {
                self.recover = true;
                self.look_by(now + STORE_PAUSE);
                return Vec::new();
            }
        };
        if claims.draining {
            return self.drain();
        }
        self.due_at = claims.next_due.map(|due| now + due);
        if let Some(due_at) = self.due_at {
            self.look_by(due_at);
        }
        let asked = claims.asked.then(|| self.read_asks()).flatten();
        let nothing_left = claims.claimed.is_empty() && self.runs.is_empty() && !again;
        let mut actions: Vec<Action> = claims
            .claimed
            .into_iter()
            .map(|claimed| self.take(claimed))
            .collect();
        actions.extend(asked);
        if again {
            actions.extend(self.claim(now));
        } else if nothing_left && self.rules.one_batch {
            actions.push(Action::LookAhead);
        }
        actions
    }

    fn take(&mut self, claimed: Claimed) -> Action {
        let run = Run {
            task: claimed.tenure.task,
            profile: claimed.profile.clone(),
            stage: Stage::Spawning,
            origin: Origin::Claimed,
            line_closed: false,
            reaped: false,
        };
        self.runs.insert(claimed.tenure.run, run);
        Action::Spawn(Box::new(claimed))
    }

    pub(super) fn batch_rests(&self) -> Vec<Action> {
        let is_over = self.has_nothing_in_hand();
        let finish = is_over.then_some(Action::Finish(Finished::ForGood));
        finish.into_iter().collect()
    }
}
