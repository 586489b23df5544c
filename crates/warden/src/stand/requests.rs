//! What the worker is answered, and what the warden concludes from it. Checks are answered from the
//! lease in hand; what is to be written goes up.

use std::collections::VecDeque;

use tenure_guard::wire::{Answer, Op, Request};
use tenure_guard::{Reason, Report, Tenure};

use super::Stand;
use crate::broker::{ConnId, Heard};
use crate::clock::BootInstant;
use crate::ending::Cue;
use crate::tree::Membership;

impl Stand {
    /// Gives the worker its answer, and draws our own conclusions from it.
    pub(super) fn pass_down(
        &mut self,
        to: ConnId,
        op: &Op,
        answer: Answer,
        now: BootInstant,
    ) -> Vec<Heard> {
        match (&answer, op) {
            (Answer::NotOwner { reason }, _) => self.remember(to, reason.clone()),
            (Answer::Ok | Answer::Kept, Op::Report { report, .. }) => {
                // The first one stands.
                let completed = matches!(report, Report::Complete { .. });
                self.seen.completed.get_or_insert(completed);
                self.cue(Cue::Reported, now);
            }
            (
                Answer::Ok
                | Answer::Kept
                | Answer::Refused { .. }
                | Answer::Owned
                | Answer::StandDown { .. }
                | Answer::Data { .. }
                | Answer::Later { .. },
                _,
            ) => {}
        }
        self.post.broker.answer(to, answer)
    }

    /// What came from below.
    pub(super) fn hear(&mut self, heard: Vec<Heard>, now: BootInstant) {
        let mut heard = VecDeque::from(heard);
        while let Some(said) = heard.pop_front() {
            match said {
                Heard::Notice { peer, reason } => {
                    if self.is_ours(peer) {
                        self.seen.stood_down = Some(reason);
                    }
                }
                Heard::Request { from, request } => {
                    heard.extend(self.request(from, request, now));
                }
                Heard::Adopt { from, peer, adopt } => self.adopt(from, peer, &adopt, now),
            }
        }
    }

    fn request(&mut self, from: ConnId, request: Request, now: BootInstant) -> Vec<Heard> {
        let mismatch = mismatch(&self.post.tenure, &request.tenure);
        let lost = mismatch.or_else(|| self.lost.clone());
        match request.op {
            Op::Check | Op::Watch => {
                let lapsed = self.lease_over.then_some(Reason::LeaseExpired);
                match (lost.or(lapsed), request.op) {
                    (Some(reason), _) => {
                        self.remember(from, reason.clone());
                        self.post.broker.answer(from, Answer::StandDown { reason })
                    }
                    (None, Op::Watch) => self.post.broker.watch(from),
                    (None, _) => self.post.broker.answer(from, Answer::Owned),
                }
            }
            op @ (Op::Heartbeat { .. }
            | Op::Comment { .. }
            | Op::Report { .. }
            | Op::Add { .. }
            | Op::Show { .. }
            | Op::List { .. }) => {
                if let Some(reason) = lost {
                    return self.pass_down(from, &op, Answer::NotOwner { reason }, now);
                }
                if matches!(op, Op::Heartbeat { .. }) {
                    let timeout = self.post.limits.heartbeat_timeout;
                    self.silent_at = timeout.map(|timeout| now + timeout);
                }
                match self.post.uplink.request(from, op.clone(), now) {
                    Some(answer) => self.pass_down(from, &op, answer, now),
                    None => Vec::new(),
                }
            }
        }
    }

    /// Somebody in the tree was told "not owner": so an exit 79 may be meant.
    fn remember(&mut self, to: ConnId, reason: Reason) {
        if self
            .post
            .broker
            .peer(to)
            .is_some_and(|peer| self.is_ours(peer))
        {
            self.seen.stood_down = Some(reason);
        }
    }

    /// A guard says that it stands down and exits, so its process may be gone by now; the socket is
    /// for our user alone, and only a living stranger is refused.
    fn is_ours(&self, peer: i32) -> bool {
        match self.tree.membership(peer) {
            Membership::Inside | Membership::Gone => true,
            Membership::Outside => false,
        }
    }
}

/// In what the tenure shown differs from the one that this warden stands for.
pub(super) fn mismatch(own: &Tenure, shown: &Tenure) -> Option<Reason> {
    if shown.task != own.task {
        Some(Reason::TaskMissing)
    } else if shown.run != own.run {
        Some(Reason::RunMismatch)
    } else if shown.lock != own.lock {
        Some(Reason::ClaimMismatch)
    } else {
        None
    }
}
