//! stand down: a guard found that its worker is not the owner, and started nothing.

use serde_json::json;
use tenure_guard::{Reason, Tenure};

use crate::error::Error;
use crate::event::EventKind;
use crate::open::Store;
use crate::recorded::Recorded;
use crate::transaction::Transaction;
use crate::writer::Write;

impl Store {
    /// Writes the event that a guard stood down; only where the lock shown is that run's own. The
    /// run itself stays as it is. Whether it was written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stood_down(&self, tenure: Tenure, reason: Reason) -> Result<bool, Error> {
        self.write(StoodDown { tenure, reason }).await
    }
}

struct StoodDown {
    tenure: Tenure,
    reason: Reason,
}

impl Write for StoodDown {
    type Answer = bool;

    async fn apply(&self, tx: &mut Transaction) -> Result<bool, Error> {
        if Recorded::read(tx, &self.tenure).await?.is_none() {
            return Ok(false);
        }
        let payload = json!({ "reason": self.reason });
        let Tenure { task, run, .. } = &self.tenure;
        tx.event(*task, *run, EventKind::StoodDown, &payload);
        Ok(true)
    }
}
