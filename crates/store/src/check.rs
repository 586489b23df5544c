//! check: does this worker still own its task? Read-only.

use tenure_guard::{Tenure, Verdict};

use crate::error::Error;
use crate::open::Store;
use crate::standing::{Asking, refusal};

impl Store {
    /// The verdict, in the order of [`tenure_guard::Reason`]. The lease counts before the start,
    /// and on PostgreSQL.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn check(&self, tenure: &Tenure) -> Result<Verdict, Error> {
        let refusal = self
            .read(async |tx| refusal(tx, tenure, Asking::Check).await)
            .await?;
        Ok(match refusal {
            Some(reason) => Verdict::StandDown { reason },
            None => Verdict::Owned,
        })
    }
}
