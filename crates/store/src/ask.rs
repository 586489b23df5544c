//! ask: records what a limit or a shutdown asked of a run, and finds what was asked.
//! What a person asks goes through [`crate::person`], which also knows what to do without a run.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, Tenure};

use crate::error::Error;
use crate::event::EventKind;
use crate::ids::DispatcherId;
use crate::life::Ask;
use crate::open::Store;
use crate::recorded::Recorded;
use crate::sql;
use crate::standing::{Asking, not_owner, refusal};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

impl Store {
    /// Records an ask of the holder's own side (timeout, silence, shutdown), fenced. The first ask
    /// stands, but a person's replaces one that still takes reports.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Invalid`] for an ask that is a person's,
    /// [`Error::Unavailable`].
    pub async fn ask_as_holder(&self, tenure: Tenure, ask: Ask, by: String) -> Result<(), Error> {
        if !ask.takes_reports() {
            return Err(Error::Invalid(format!(
                "{ask} is a person's to ask: timeout, silence or shutdown is expected"
            )));
        }
        self.write(AskAsHolder { tenure, ask, by }).await
    }

    /// What is asked of the open runs of a dispatcher.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn asks(&self, dispatcher: DispatcherId) -> Result<Vec<(RunId, Ask)>, Error> {
        let rows: Vec<Asked> = self
            .read(async |tx| tx.fetch(&sql::ASKS, values![dispatcher]).await)
            .await?;
        rows.into_iter()
            .map(|row| Ok((RunId(row.run_id), row.ask.parse()?)))
            .collect()
    }
}

#[derive(FromRow)]
struct Asked {
    run_id: i64,
    ask: String,
}

struct AskAsHolder {
    tenure: Tenure,
    ask: Ask,
    by: String,
}

impl Write for AskAsHolder {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![*task, *run, lock, self.ask, self.by.as_str(), now];
        if tx.execute(&sql::ASK_AS_HOLDER, shown).await? == 0 {
            return self.not_recorded(tx).await;
        }
        let payload = json!({ "ask": self.ask, "by": self.by });
        tx.event(*task, *run, EventKind::Asked, &payload);
        Ok(())
    }
}

impl AskAsHolder {
    /// Well where something else was asked before: the first stands.
    async fn not_recorded(&self, tx: &mut Transaction) -> Result<(), Error> {
        if refusal(tx, &self.tenure, Asking::Open).await?.is_none()
            && let Some(recorded) = Recorded::read(tx, &self.tenure).await?
            && recorded.ask()?.is_some()
        {
            return Ok(());
        }
        Err(not_owner(tx, &self.tenure, Asking::Open).await?)
    }
}
