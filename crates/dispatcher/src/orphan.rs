//! What becomes of a run whose dispatcher is not this one: decided from what is proved, and from
//! nothing else. Proofs are taken by [`crate::act`]; nothing here reads a process or a clock.
//!
//! **Invariant:** a run is taken from other hands only where those are proved dead: by the hold on a
//! store of one host, by the process's identity where hosts share one.
//! **Invariant:** on the holder's own host a run is closed by proved death, never by time.

use tenure_warden::process::Found;

/// What is proved of a process that was written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It lives.
    Alive,
    /// It is dead: same host, same boot, same pid namespace.
    Dead,
    /// The host was started anew since.
    EarlierBoot,
    /// Its number means nothing here: another host, or another pid namespace.
    Elsewhere,
    /// Nothing is known of it.
    Nothing,
}

impl From<&Found> for Proof {
    fn from(found: &Found) -> Self {
        match found {
            // Who waits to be reaped, perhaps by nobody, does nothing any more.
            Found::Alive(process) if process.has_ended().unwrap_or(false) => Self::Dead,
            Found::Alive(_) => Self::Alive,
            Found::Dead => Self::Dead,
            Found::EarlierBoot => Self::EarlierBoot,
            Found::Elsewhere => Self::Elsewhere,
        }
    }
}

/// All that decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether several hosts share the store. Else the hold proves every other dispatcher dead.
    pub(crate) is_shared: bool,
    /// Whether the lease and the margin are over.
    pub(crate) is_lapsed: bool,
    /// Its dispatcher.
    pub(crate) dispatcher: Proof,
    /// Its warden, where it was started.
    pub(crate) warden: Option<Proof>,
    /// Whether somebody listens at the warden's socket.
    pub(crate) answers: bool,
}

/// What becomes of an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its warden lives: its lifeline is taken up.
    Adopt,
    /// Nothing of it ever ran, and nothing ever will: a gate without its dispatcher stays shut.
    NeverStarted,
    /// Its warden is dead.
    Bury(Grave),
    /// Nothing is proved yet.
    Wait,
    /// It is in living hands, or in another host's.
    Leave,
}

/// Where a dead warden lived: what can be searched for, and what is proved without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grave {
    /// Here: what it left can be found and ended.
    Here,
    /// In an earlier boot, of which nothing is left.
    EarlierBoot,
    /// On a host or in a pid namespace into which nobody here can look.
    Elsewhere,
}

impl std::fmt::Display for Grave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here => "here",
            Self::EarlierBoot => "earlier_boot",
            Self::Elsewhere => "elsewhere",
        })
    }
}

/// Decides.
pub(crate) fn fate(facts: Facts) -> Fate {
    if facts.is_shared {
        match facts.dispatcher {
            Proof::Dead => {}
            // A clone of this host may live elsewhere under our id: only time can tell.
            Proof::EarlierBoot if facts.is_lapsed => {}
            Proof::EarlierBoot => return Fate::Wait,
            Proof::Alive | Proof::Elsewhere | Proof::Nothing => return Fate::Leave,
        }
    }
    match facts.warden {
        None => Fate::NeverStarted,
        Some(Proof::Alive) => Fate::Adopt,
        Some(Proof::Dead) => Fate::Bury(Grave::Here),
        Some(Proof::EarlierBoot) if facts.is_shared && !facts.is_lapsed => Fate::Wait,
        Some(Proof::EarlierBoot) => Fate::Bury(Grave::EarlierBoot),
        Some(Proof::Elsewhere) if facts.answers => Fate::Adopt,
        Some(Proof::Elsewhere) if facts.is_lapsed => Fate::Bury(Grave::Elsewhere),
        Some(Proof::Elsewhere | Proof::Nothing) => Fate::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE_HOST: Facts = Facts {
        is_shared: false,
        is_lapsed: false,
        dispatcher: Proof::Nothing,
        warden: None,
        answers: false,
    };

    #[test]
    fn on_one_host_the_hold_is_the_proof_and_time_decides_nothing() {
        let table = [
            (None, Fate::NeverStarted),
            (Some(Proof::Alive), Fate::Adopt),
            (Some(Proof::Dead), Fate::Bury(Grave::Here)),
            (Some(Proof::EarlierBoot), Fate::Bury(Grave::EarlierBoot)),
            (Some(Proof::Nothing), Fate::Wait),
        ];
        for (warden, expected) in table {
            for is_lapsed in [false, true] {
                let facts = Facts {
                    is_lapsed,
                    warden,
                    ..ONE_HOST
                };
                assert_eq!(fate(facts), expected, "{facts:?}");
            }
        }
    }

    #[test]
    fn a_warden_in_another_namespace_is_adopted_where_it_answers_and_given_up_after_its_lease() {
        let elsewhere = Facts {
            warden: Some(Proof::Elsewhere),
            ..ONE_HOST
        };
        assert_eq!(fate(elsewhere), Fate::Wait);
        let answering = Facts {
            answers: true,
            is_lapsed: true,
            ..elsewhere
        };
        assert_eq!(fate(answering), Fate::Adopt);
        let lapsed = Facts {
            is_lapsed: true,
            ..elsewhere
        };
        assert_eq!(fate(lapsed), Fate::Bury(Grave::Elsewhere));
    }

    #[test]
    fn where_hosts_share_a_store_only_a_dispatcher_that_is_proved_dead_loses_its_runs() {
        let wardens = [
            None,
            Some(Proof::Alive),
            Some(Proof::Dead),
            Some(Proof::Elsewhere),
        ];
        for dispatcher in [Proof::Alive, Proof::Elsewhere, Proof::Nothing] {
            for warden in wardens {
                let facts = Facts {
                    is_shared: true,
                    is_lapsed: true,
                    dispatcher,
                    warden,
                    answers: true,
                };
                assert_eq!(fate(facts), Fate::Leave, "{facts:?}");
            }
        }
        let dead = Facts {
            is_shared: true,
            dispatcher: Proof::Dead,
            warden: Some(Proof::Alive),
            ..ONE_HOST
        };
        assert_eq!(fate(dead), Fate::Adopt);
    }

    #[test]
    fn an_earlier_boot_of_a_host_that_may_have_been_cloned_waits_for_its_lease() {
        for warden in [None, Some(Proof::EarlierBoot)] {
            let early = Facts {
                is_shared: true,
                dispatcher: Proof::EarlierBoot,
                warden,
                ..ONE_HOST
            };
            assert_eq!(fate(early), Fate::Wait, "{early:?}");
            let lapsed = Facts {
                is_lapsed: true,
                ..early
            };
            assert_ne!(fate(lapsed), Fate::Wait, "{lapsed:?}");
        }
    }
}
