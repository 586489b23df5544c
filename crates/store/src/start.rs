//! start: commits who stands over the run, once, before the first instruction of its command.

use std::path::PathBuf;
use std::time::Duration;

use tenure_guard::Tenure;

use crate::error::Error;
use crate::open::Store;
use crate::process::ProcessId;

/// What is written down at a start.
#[derive(Clone, Debug)]
pub struct Start {
    /// The fence.
    pub tenure: Tenure,
    /// Who stands over the run.
    pub warden: ProcessId,
    /// Where it answers its worker.
    pub socket: PathBuf,
    /// Where the worker's output goes.
    pub log: Option<PathBuf>,
    /// How long the lease is from now on.
    pub lease: Duration,
}

/// What a start granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// When the run's time is up, where it has a limit.
    pub deadline: Option<jiff::Timestamp>,
}

impl Store {
    /// Commits the start, fenced; the lease must still hold, and nobody may have started the run.
    /// The same warden again is answered like the first time, so a lost answer can be asked for.
    ///
    /// # Errors
    /// [`Error::NotOwner`] with the reason, in the order of the check; [`Error::Unavailable`].
    pub async fn start(&self, start: Start) -> Result<Started, Error> {
        let _ = start;
        todo!()
    }

    /// Writes down the worker's own pid, fenced.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn note_worker(&self, tenure: Tenure, pid: i32) -> Result<(), Error> {
        let _ = (tenure, pid);
        todo!()
    }
}
