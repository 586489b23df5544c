//! Who may take the lifeline up: a dispatcher of our own user that shows the run, its lock, and an
//! epoch which the store gave it after the one before.

use tenure_guard::Tenure;

use super::Stand;
use super::requests::mismatch;
use crate::broker::{ConnId, Peer};
use crate::clock::BootInstant;
use crate::gate;
use crate::lifeline::Adopt;
use crate::tree::Membership;

/// So the kernel names a process of a pid namespace that we cannot look into; our tree is not there.
const ELSEWHERE: i32 = 0;

/// What of ourselves decides whom we follow.
#[derive(Clone, Copy, Debug)]
struct Holder<'a> {
    tenure: &'a Tenure,
    epoch: u64,
    uid: u32,
}

impl Stand {
    /// Takes whoever asks for the lifeline, or says why not.
    pub(super) fn adopt(&mut self, from: ConnId, peer: Peer, adopt: &Adopt, now: BootInstant) {
        let own = Holder {
            tenure: &self.post.tenure,
            epoch: self.post.uplink.epoch(),
            uid: nix::unistd::geteuid().as_raw(),
        };
        let membership = match peer.pid {
            ELSEWHERE => Membership::Outside,
            pid => self.tree.membership(pid),
        };
        if let Some(reason) = refusal(own, adopt, peer, membership) {
            self.post.broker.refuse_adoption(from, reason);
            return;
        }
        let Some(lines) = self.post.broker.release(from) else {
            return;
        };
        let pid = self.worker.pid();
        self.post.uplink.adopt(lines, adopt.adopt, pid, now);
        // Orders may have come along with the first line.
        let news = self.post.uplink.hear(now);
        self.learn(news, now);
    }
}

/// Why the lifeline stays where it is; `None` where it does not.
fn refusal(own: Holder, adopt: &Adopt, peer: Peer, membership: Membership) -> Option<String> {
    if adopt.v != gate::VERSION {
        return Some(format!(
            "the dispatcher speaks version {} of the lifeline, this warden {}: let a dispatcher of this warden's build adopt it",
            adopt.v,
            gate::VERSION
        ));
    }
    if let Some(reason) = mismatch(own.tenure, &adopt.tenure) {
        return Some(format!("this warden stands over another run: {reason}"));
    }
    if peer.uid != own.uid && peer.uid != 0 {
        return Some(format!(
            "user {} asks, and this warden follows user {} and root alone",
            peer.uid, own.uid
        ));
    }
    match membership {
        Membership::Outside => {}
        Membership::Inside => {
            return Some("a worker cannot adopt its own warden".into());
        }
        Membership::Gone => return Some("whoever connected is gone".into()),
    }
    if adopt.adopt <= own.epoch {
        return Some(format!(
            "epoch {} is over: epoch {} was shown already",
            adopt.adopt, own.epoch
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use tenure_guard::{RunId, TaskId};

    use super::*;

    fn tenure() -> Tenure {
        Tenure {
            task: TaskId(7),
            run: RunId(9),
            lock: "0191e6a0-0000-7000-8000-000000000001:00112233445566778899aabbccddeeff"
                .parse()
                .unwrap(),
        }
    }

    #[test]
    fn whoever_lacks_one_thing_is_refused_for_that() {
        let tenure = tenure();
        let own = Holder {
            tenure: &tenure,
            epoch: 3,
            uid: 1000,
        };
        let right = Adopt {
            v: gate::VERSION,
            adopt: 4,
            tenure: tenure.clone(),
        };
        let peer = Peer { pid: 5, uid: 1000 };
        let root = Peer { pid: 5, uid: 0 };
        let outside = Membership::Outside;
        assert_eq!(refusal(own, &right, peer, outside), None);
        assert_eq!(refusal(own, &right, root, outside), None);
        let of = |adopt: Adopt, peer, membership| {
            refusal(own, &adopt, peer, membership).unwrap_or_default()
        };
        let elsewhere = Peer { pid: 5, uid: 1001 };
        let cases = [
            (
                Adopt {
                    v: 99,
                    ..right.clone()
                },
                peer,
                outside,
                "version 99",
            ),
            (
                Adopt {
                    adopt: 3,
                    ..right.clone()
                },
                peer,
                outside,
                "epoch 3",
            ),
            (right.clone(), elsewhere, outside, "user 1001"),
            (right.clone(), peer, Membership::Inside, "a worker"),
            (right.clone(), peer, Membership::Gone, "gone"),
            (
                Adopt {
                    tenure: Tenure {
                        run: RunId(8),
                        ..tenure.clone()
                    },
                    ..right
                },
                peer,
                outside,
                "run_mismatch",
            ),
        ];
        for (adopt, peer, membership, expected) in cases {
            let reason = of(adopt, peer, membership);
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
