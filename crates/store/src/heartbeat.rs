//! heartbeat: the worker's "I am alive".

use tenure_guard::Tenure;

use crate::error::Error;
use crate::open::Store;

impl Store {
    /// Notes that the worker is alive, fenced. No event: a sign of life is no change of state.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn heartbeat(&self, tenure: Tenure, note: Option<String>) -> Result<(), Error> {
        let _ = (tenure, note);
        todo!()
    }
}
