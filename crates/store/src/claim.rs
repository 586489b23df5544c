//! claim: takes runnable tasks; makes a run and its claim lock for each.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tenure_guard::Tenure;

use crate::error::Error;
use crate::ids::{BatchId, DispatcherId};
use crate::life::{Limits, LimitsLayer};
use crate::open::Store;

/// What a dispatcher can run.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The profile.
    pub profile: String,
    /// Its limits, over `[defaults]`; the task's own come over these.
    pub limits: LimitsLayer,
    /// How many of it may run at once across all dispatchers of the store.
    pub max_running: Option<u32>,
}

/// What a dispatcher asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who asks.
    pub dispatcher: DispatcherId,
    /// At most so many.
    pub room: u32,
    /// Of these profiles; the others are not its to claim.
    pub offers: Vec<Offer>,
    /// Of this batch only.
    pub batch: Option<BatchId>,
    /// How long the claim stands without renewal.
    pub lease: Duration,
}

/// A task that was claimed, with all that is needed to start its worker.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The fence.
    pub tenure: Tenure,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The profile.
    pub profile: String,
    /// The limits in force, resolved.
    pub limits: Limits,
    /// The task's title.
    pub title: String,
    /// What the worker is to do, in words.
    pub body: String,
    /// The task's own command, where its profile is `shell`.
    pub command: Option<Vec<String>>,
    /// Where to run; absolute.
    pub cwd: PathBuf,
    /// The task's environment.
    pub env: BTreeMap<String, String>,
}

/// What a claim brought.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// In the order in which they shall start: priority, then age.
    pub claimed: Vec<Claimed>,
    /// How long until the next scheduled task is due, where one is scheduled.
    pub next_due: Option<Duration>,
}

impl Store {
    /// Makes scheduled tasks ready whose time has come, then claims: by profile with room, highest
    /// priority first, oldest first among equals. Reads no task that it may not take.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; a claim whose answer was lost is found by
    /// [`Store::claimed_but_not_started`].
    pub async fn claim(&self, wanted: Wanted) -> Result<Claims, Error> {
        let _ = wanted;
        todo!()
    }

    /// Runs of this dispatcher that were claimed and never started: what a claim whose answer was
    /// lost left behind.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn claimed_but_not_started(
        &self,
        dispatcher: DispatcherId,
    ) -> Result<Vec<Tenure>, Error> {
        let _ = dispatcher;
        todo!()
    }
}
