//! What can happen to a dispatcher.

use tenure_guard::{Reason, RunId};
use tenure_store::claim::Claims;
use tenure_store::end::Ended;
use tenure_store::life::{Ask, End};
use tenure_store::start::Started;

use crate::Control;
use crate::core::{Orphaned, Rules, TakenBack};

/// Something happened. The loop waits for it, the core decides what follows.
#[derive(Debug)]
pub(crate) enum Event {
    /// Somebody changed the store.
    Look,
    /// A time that the core waited for has come.
    Time,
    /// The poll found that a claim could find something.
    MayClaim,
    /// A claim was answered.
    Claimed(Result<Claims, tenure_store::Error>),
    /// A warden was made, or could not be.
    Spawned {
        /// For which run.
        run: RunId,
        /// The warden's pid, or what of our own side failed.
        warden: Result<i32, String>,
    },
    /// The start of a run was answered.
    Started {
        /// Which run.
        run: RunId,
        /// Whether the gate may open.
        answer: Result<Started, Unstarted>,
    },
    /// A warden began to end its tree by itself.
    Asked {
        /// Of which run.
        run: RunId,
        /// Why.
        ask: Ask,
    },
    /// Somebody asked us to take nothing new, by the store.
    Draining,
    /// What people or limits asked of our runs.
    Asks(Vec<(RunId, Ask)>),
    /// The same, as an answer to [`crate::action::Action::ReadAsks`]; empty where it could not be read.
    AsksRead(Vec<(RunId, Ask)>),
    /// A warden handed over the end of its run.
    Over {
        /// Which run.
        run: RunId,
        /// What it saw.
        end: End,
    },
    /// A lifeline reached its end of file.
    LineClosed {
        /// Of which run.
        run: RunId,
    },
    /// A child of ours ended.
    Reaped {
        /// Which.
        pid: i32,
    },
    /// What dispatchers that are gone left.
    Orphans {
        /// The runs, and what was found of each; they are in our hands now.
        orphans: Vec<Orphaned>,
        /// Whether something was found of which nothing is proved yet.
        unproved: bool,
    },
    /// The leases of other hosts were looked at; `None` where the store did not answer.
    TakenBack(Option<TakenBack>),
    /// A warden took us as its dispatcher.
    TakenUp {
        /// Of which run.
        run: RunId,
        /// For what it is ending its tree already.
        asked: Option<Ask>,
    },
    /// A warden that is not our child ended.
    WardenDied {
        /// Of which run.
        run: RunId,
    },
    /// What a killed warden left behind is dead.
    Buried {
        /// Of which run.
        run: RunId,
        /// What is known of its end.
        end: End,
    },
    /// The end of a run was written.
    Ended {
        /// Which run.
        run: RunId,
        /// How it closed; `None` where the run was not ours to close any more.
        ended: Option<Ended>,
    },
    /// Nothing of our batch moves any more without a person.
    BatchRests,
    /// The process around us says so.
    Control(Control),
    /// Another incarnation is to take our place.
    HandOn,
    /// The store was told that we are gone: whether it took that, or we were asked to drain before.
    SignedOff(Result<bool, tenure_store::Error>),
    /// A newer program made the store's tables another one's than ours.
    Outgrown(tenure_store::Error),
    /// New settings are in force.
    Reloaded(Rules),
}

/// Why a gate stays shut.
#[derive(Debug)]
pub(crate) enum Unstarted {
    /// The claim does not hold any more.
    NotOwner(Reason),
    /// The store did not answer while the lease lasted.
    Unanswered(String),
}
