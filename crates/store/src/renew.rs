//! renew: pushes a lease out.

use std::time::Duration;

use tenure_guard::Tenure;

use crate::error::Error;
use crate::life::Ask;
use crate::open::Store;

/// What a renewal found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// What was asked of the run meanwhile, if anything.
    pub ask: Option<Ask>,
}

impl Store {
    /// Renews the leases of open runs, each fenced. A lapsed lease is renewable while its run is
    /// open: on one host nothing is taken by time. Answers in the order given.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for all; [`Error::NotOwner`] in the place of one.
    pub async fn renew(
        &self,
        tenures: Vec<Tenure>,
        lease: Duration,
    ) -> Result<Vec<Result<Renewed, Error>>, Error> {
        let _ = (tenures, lease);
        todo!()
    }
}
