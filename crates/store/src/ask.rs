//! ask: records what a limit or a shutdown asked of a run, and finds what was asked.
//! What a person asks goes through [`crate::person`], which also knows what to do without a run.

use tenure_guard::{RunId, Tenure};

use crate::error::Error;
use crate::ids::DispatcherId;
use crate::life::Ask;
use crate::open::Store;

impl Store {
    /// Records an ask of the holder's own side (timeout, silence, shutdown), fenced. The first ask
    /// stands, but a person's replaces one that still takes reports.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn ask_as_holder(&self, tenure: Tenure, ask: Ask, by: String) -> Result<(), Error> {
        let _ = (tenure, ask, by);
        todo!()
    }

    /// What is asked of the open runs of a dispatcher.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn asks(&self, dispatcher: DispatcherId) -> Result<Vec<(RunId, Ask)>, Error> {
        let _ = dispatcher;
        todo!()
    }
}
