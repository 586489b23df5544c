//! What a dispatcher can do about what happened.

use tenure_guard::{Reason, RunId};
use tenure_store::claim::{Claimed, Offer};
use tenure_store::life::{Ask, End};
use tenure_store::start::Started;

use crate::Finished;
use crate::hold_back::HeldProfile;

/// Something to do. The core decides it, the edge carries it out.
#[derive(Debug)]
pub(crate) enum Action {
    /// Ask, at little cost, whether a claim could find something.
    AskWhetherToClaim,
    /// See what dispatchers that are gone left.
    LookForOrphans,
    /// Take back what other hosts hold and do not renew.
    TakeBackLapsed,
    /// Claim tasks.
    Claim {
        /// At most so many.
        room: u32,
        /// Of these profiles.
        offers: Vec<Offer>,
        /// First close what an unanswered claim may have left.
        recover: bool,
    },
    /// Make a warden.
    Spawn(Box<Claimed>),
    /// Commit the start.
    Start(RunId),
    /// Open the gate.
    Go(RunId, Started),
    /// Keep the gate shut and say why.
    StandDown(RunId, Reason),
    /// Let the lifeline go.
    Hang(RunId),
    /// Tell a warden to end its tree; the ask is recorded already.
    End(RunId, Ask),
    /// Record our own shutdown on the run, then tell its warden.
    Shutdown(RunId),
    /// Read what was asked of our runs.
    ReadAsks,
    /// Renew the leases of these runs.
    Renew(Vec<RunId>),
    /// Tell the store that we live.
    SignOfLife,
    /// Kill a warden that does not answer.
    KillWarden(RunId),
    /// End what a killed warden left behind.
    Bury(RunId),
    /// Write the end of a run.
    Close(RunId, End),
    /// Let a warden go: its run is closed.
    Acknowledge(RunId),
    /// Publish all that is held back.
    TellHeld(Vec<HeldProfile>),
    /// See whether anything of our batch still moves.
    LookAhead,
    /// Say that nothing new is taken.
    TellOfDraining,
    /// Sign off at the store, where nobody asked us to leave.
    SignOff,
    /// Publish what we are and can run.
    Publish,
    /// Say why our place is not handed on.
    KeepPlace(String),
    /// Leave the loop.
    Finish(Finished),
    /// Leave the loop: this program can dispatch no more.
    GiveUp(tenure_store::Error),
}
