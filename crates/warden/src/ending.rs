//! How a tree is ended: a pure table. It decides; [`crate::stand`] does.

use std::time::Duration;

use crate::clock::BootInstant;

/// How much time is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Graces {
    /// From SIGTERM to SIGKILL.
    pub(crate) kill: Duration,
    /// From a report to the end of the tree.
    pub(crate) finish: Duration,
}

/// How far the end of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing ends it.
    Steady,
    /// The worker reported, and has time to go by itself.
    Finishing {
        /// Until then.
        terminate_at: BootInstant,
    },
    /// SIGTERM was sent.
    Terminating {
        /// When SIGKILL follows.
        kill_at: BootInstant,
    },
    /// SIGKILL is sent, round by round: what is killed may have forked just before.
    Killing {
        /// When the next round is due.
        round_at: BootInstant,
        /// How long the pause after that one is.
        pause: Duration,
    },
}

/// What moves an ending on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cue {
    /// The worker's main process ended; what it left behind must go too.
    WorkerEnded,
    /// The worker's report was taken.
    Reported,
    /// The tree shall end, by a person, by a limit, by a signal to the warden.
    End,
    /// It was told to end before, and shall end now.
    Hasten,
    /// The lease cannot be kept: everything must be dead when it is over.
    LeaseOver {
        /// When SIGKILL is due at the latest.
        kill_at: BootInstant,
    },
    /// Time passed.
    Clock,
}

/// What is to be done to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing now.
    Wait,
    /// SIGTERM to all of it.
    Terminate,
    /// SIGKILL to all of it.
    Kill,
}

impl Ending {
    /// The pause after the first round of SIGKILL. A killed process needs some scheduling to die.
    const FIRST_PAUSE: Duration = Duration::from_millis(20);

    /// The longest pause between rounds: what survives ten of them hangs in the kernel, and
    /// asking it more often would only burn time.
    const LONGEST_PAUSE: Duration = Duration::from_secs(1);

    /// What follows when `cue` comes at `now`.
    pub(crate) fn on(self, cue: Cue, now: BootInstant, graces: Graces) -> (Self, Act) {
        let terminating = Self::Terminating {
            kill_at: now + graces.kill,
        };
        match (self, cue) {
            (Self::Steady, Cue::Reported) => {
                let terminate_at = now + graces.finish;
                (Self::Finishing { terminate_at }, Act::Wait)
            }
            (Self::Steady | Self::Finishing { .. }, Cue::WorkerEnded | Cue::End | Cue::Hasten) => {
                (terminating, Act::Terminate)
            }
            (Self::Steady | Self::Finishing { .. }, Cue::LeaseOver { kill_at }) => {
                (Self::Terminating { kill_at }, Act::Terminate)
            }
            (Self::Finishing { terminate_at }, Cue::Clock) if now >= terminate_at => {
                (terminating, Act::Terminate)
            }
            (Self::Terminating { .. }, Cue::Hasten) => Self::killing(now, Self::FIRST_PAUSE),
            (Self::Terminating { kill_at }, Cue::Clock) if now >= kill_at => {
                Self::killing(now, Self::FIRST_PAUSE)
            }
            (Self::Terminating { kill_at: planned }, Cue::LeaseOver { kill_at }) => {
                let kill_at = planned.min(kill_at);
                (Self::Terminating { kill_at }, Act::Wait)
            }
            (Self::Killing { round_at, pause }, Cue::Clock) if now >= round_at => {
                Self::killing(now, (pause * 2).min(Self::LONGEST_PAUSE))
            }
            (Self::Steady, Cue::Clock)
            | (Self::Finishing { .. }, Cue::Reported | Cue::Clock)
            | (
                Self::Terminating { .. },
                Cue::WorkerEnded | Cue::Reported | Cue::End | Cue::Clock,
            )
            | (Self::Killing { .. }, _) => (self, Act::Wait),
        }
    }

    fn killing(now: BootInstant, pause: Duration) -> (Self, Act) {
        let round_at = now + pause;
        (Self::Killing { round_at, pause }, Act::Kill)
    }

    /// When time alone moves it on.
    pub(crate) fn due(self) -> Option<BootInstant> {
        match self {
            Self::Steady => None,
            Self::Finishing { terminate_at } => Some(terminate_at),
            Self::Terminating { kill_at } => Some(kill_at),
            Self::Killing { round_at, .. } => Some(round_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACES: Graces = Graces {
        kill: Duration::from_secs(10),
        finish: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> BootInstant {
        BootInstant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn every_cue_in_every_state_leads_where_the_table_says() {
        let steady = Ending::Steady;
        let finishing = Ending::Finishing {
            terminate_at: at(105),
        };
        let terminating = Ending::Terminating { kill_at: at(110) };
        let killing = Ending::Killing {
            round_at: at(100) + Ending::FIRST_PAUSE,
            pause: Ending::FIRST_PAUSE,
        };
        let lease = Cue::LeaseOver { kill_at: at(103) };
        let by_lease = Ending::Terminating { kill_at: at(103) };
        let table = [
            (steady, Cue::WorkerEnded, terminating, Act::Terminate),
            (steady, Cue::Reported, finishing, Act::Wait),
            (steady, Cue::End, terminating, Act::Terminate),
            (steady, Cue::Hasten, terminating, Act::Terminate),
            (steady, lease, by_lease, Act::Terminate),
            (steady, Cue::Clock, steady, Act::Wait),
            (finishing, Cue::WorkerEnded, terminating, Act::Terminate),
            (finishing, Cue::Reported, finishing, Act::Wait),
            (finishing, Cue::End, terminating, Act::Terminate),
            (finishing, Cue::Hasten, terminating, Act::Terminate),
            (finishing, lease, by_lease, Act::Terminate),
            (finishing, Cue::Clock, finishing, Act::Wait),
            (terminating, Cue::WorkerEnded, terminating, Act::Wait),
            (terminating, Cue::Reported, terminating, Act::Wait),
            (terminating, Cue::End, terminating, Act::Wait),
            (terminating, Cue::Hasten, killing, Act::Kill),
            (terminating, lease, by_lease, Act::Wait),
            (terminating, Cue::Clock, terminating, Act::Wait),
            (killing, Cue::WorkerEnded, killing, Act::Wait),
            (killing, Cue::Reported, killing, Act::Wait),
            (killing, Cue::End, killing, Act::Wait),
            (killing, Cue::Hasten, killing, Act::Wait),
            (killing, lease, killing, Act::Wait),
            (killing, Cue::Clock, killing, Act::Wait),
        ];
        for (from, cue, to, act) in table {
            assert_eq!(from.on(cue, at(100), GRACES), (to, act), "{from:?} {cue:?}");
        }
    }

    #[test]
    fn time_alone_leads_from_a_report_to_sigkill_and_never_stops_there() {
        let (mut ending, _) = Ending::Steady.on(Cue::Reported, at(0), GRACES);
        let mut acts = Vec::new();
        for _ in 0..20 {
            let due = ending.due().unwrap();
            let (next, act) = ending.on(Cue::Clock, due, GRACES);
            acts.push(act);
            ending = next;
        }
        assert_eq!(acts[0], Act::Terminate);
        assert!(acts[1..].iter().all(|act| *act == Act::Kill), "{acts:?}");
        assert!(matches!(ending, Ending::Killing { pause, .. } if pause == Ending::LONGEST_PAUSE));
    }
}
