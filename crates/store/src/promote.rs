//! promote: scheduled tasks whose time has come become ready. Children are promoted by the end of
//! their last parent, in [`crate::end`].

use std::time::Duration;

use crate::error::Error;
use crate::open::Store;

impl Store {
    /// Makes due tasks ready; answers how many, and how long until the next one is due.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn promote_due(&self) -> Result<(u32, Option<Duration>), Error> {
        todo!()
    }
}
