//! report: records the worker's own word on how it ended. It does not close the run.

use tenure_guard::{Report, ReportId, Tenure};

use crate::error::Error;
use crate::open::Store;

impl Store {
    /// Records a report, fenced; the first one stands, the same id again is `Ok`. Refused once a
    /// person took the task away (`ending:<verb>`); a time limit or a shutdown still takes it.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::AlreadyReported`], [`Error::Invalid`], [`Error::Unavailable`].
    pub async fn report(&self, tenure: Tenure, id: ReportId, report: Report) -> Result<(), Error> {
        let _ = (tenure, id, report);
        todo!()
    }
}
