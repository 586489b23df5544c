//! check: does this worker still own its task? Read-only.

use tenure_guard::{Tenure, Verdict};

use crate::error::Error;
use crate::open::Store;

impl Store {
    /// The verdict, in the order of [`tenure_guard::Reason`]. The lease counts before the start,
    /// and on PostgreSQL.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self, tenure: &Tenure) -> Result<Verdict, Error> {
        let _ = tenure;
        todo!()
    }
}
