//! What is recorded on a run, for whoever shows its own lock: open or closed.

use sqlx::FromRow;
use tenure_guard::{Report, Tenure};

use crate::error::Error;
use crate::life::Ask;
use crate::process::{ProcessId, WardenColumns};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// The columns that a repeated or refused write asks about.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Recorded {
    started_at: Option<i64>,
    pub deadline_at: Option<i64>,
    #[sqlx(flatten)]
    warden: WardenColumns,
    ask: Option<String>,
    pub report_id: Option<String>,
    report: Option<String>,
}

impl Recorded {
    /// Reads it; `None` where there is no such run, or it has another lock.
    pub(crate) async fn read(tx: &mut Transaction, tenure: &Tenure) -> Result<Option<Self>, Error> {
        let shown = values![tenure.task, tenure.run, &tenure.lock];
        tx.fetch_one(&sql::RECORDED, shown).await
    }

    pub(crate) fn ask(&self) -> Result<Option<Ask>, Error> {
        Ok(self.ask.as_deref().map(str::parse).transpose()?)
    }

    pub(crate) fn report(&self) -> Result<Option<Report>, Error> {
        let report = self.report.as_deref().map(serde_json::from_str);
        Ok(report.transpose()?)
    }

    /// Whether this very warden stands over the run already.
    pub(crate) fn is_started_by(&self, warden: &ProcessId) -> bool {
        self.started_at.is_some() && self.warden.clone().read().as_ref() == Some(warden)
    }
}
