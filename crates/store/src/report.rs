//! report: records the worker's own word on how it ended. It does not close the run.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{Reason, Report, ReportId, Tenure};

use crate::error::Error;
use crate::event::EventKind;
use crate::open::Store;
use crate::recorded::Recorded;
use crate::sql;
use crate::standing::{Asking, not_owner, refusal};
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::may_wait;
use crate::writer::Write;

/// So many refused reports of a run are written down: a worker may say it again and again.
const REFUSED: u32 = 3;

impl Store {
    /// Records a report, fenced; the first one stands, the same id again is `Ok`, on a closed run
    /// too. Refused once a person took the task away (`ending:<verb>`); a time limit or a shutdown
    /// still takes it. What is refused although it shows the run's own lock is an event of that run: a
    /// worker's word is not lost, it only changes nothing.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::AlreadyReported`], [`Error::Invalid`], [`Error::Refused`] for a
    /// wait that would never end, [`Error::Unavailable`].
    pub async fn report(&self, tenure: Tenure, id: ReportId, report: Report) -> Result<(), Error> {
        report
            .validate()
            .map_err(|error| Error::Invalid(error.to_string()))?;
        self.write(Word { tenure, id, report }).await?
    }
}

struct Word {
    tenure: Tenure,
    id: ReportId,
    report: Report,
}

impl Write for Word {
    /// A refusal is an answer, so that its event is written.
    type Answer = Result<(), Error>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Self::Answer, Error> {
        let now = tx.now().await?;
        let Tenure { task, run, lock } = &self.tenure;
        let report = serde_json::to_string(&self.report)?;
        let shown = values![*task, *run, lock, self.id.0.as_str(), report, now];
        if tx.execute(&sql::REPORT, shown).await? == 0 {
            return self.not_recorded(tx).await;
        }
        if let Report::Wait { after, .. } = &self.report {
            may_wait(tx, *task, *after).await?;
        }
        let payload = json!({ "report": self.report.name(), "content": self.report });
        tx.event(*task, *run, EventKind::Reported, &payload);
        Ok(Ok(()))
    }
}

#[derive(FromRow)]
struct Payload {
    payload: String,
}

impl Word {
    /// Well where this very report is recorded already; else why it is not.
    async fn not_recorded(&self, tx: &mut Transaction) -> Result<Result<(), Error>, Error> {
        let recorded = Recorded::read(tx, &self.tenure).await?;
        let standing = match &recorded {
            Some(recorded) if recorded.report_id.as_ref() == Some(&self.id.0) => return Ok(Ok(())),
            Some(recorded) => recorded.report()?,
            None => None,
        };
        let refusal = refusal(tx, &self.tenure, Asking::Report).await?;
        match (refusal, standing) {
            (Some(reason), _) => {
                if recorded.is_some() {
                    self.note_refused(tx, &reason).await?;
                }
                Ok(Err(Error::NotOwner { reason }))
            }
            (None, Some(standing)) => Err(Error::AlreadyReported {
                run: self.tenure.run,
                standing: standing.name().to_owned(),
            }),
            (None, None) => Err(not_owner(tx, &self.tenure, Asking::Report).await?),
        }
    }

    /// Writes down that it came too late, each report once.
    async fn note_refused(&self, tx: &mut Transaction, reason: &Reason) -> Result<(), Error> {
        let Tenure { task, run, .. } = &self.tenure;
        let asked = values![*task, *run, REFUSED];
        let noted: Vec<Payload> = tx.fetch(&sql::REFUSED_REPORTS, asked).await?;
        let is_this = |noted: &Payload| {
            let payload: Result<serde_json::Value, _> = serde_json::from_str(&noted.payload);
            payload.is_ok_and(|payload| payload["report_id"] == *self.id.0)
        };
        if noted.len() >= usize::try_from(REFUSED).unwrap_or(usize::MAX)
            || noted.iter().any(is_this)
        {
            return Ok(());
        }
        let payload = json!({
            "report_id": self.id.0,
            "report": self.report.name(),
            "content": self.report,
            "reason": reason,
        });
        tx.event(*task, *run, EventKind::ReportRefused, &payload);
        Ok(())
    }
}
