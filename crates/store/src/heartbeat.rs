//! heartbeat: the worker's "I am alive".

use tenure_guard::Tenure;

use crate::error::Error;
use crate::open::Store;
use crate::sql;
use crate::standing::{Asking, not_owner};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

impl Store {
    /// Notes that the worker is alive, fenced. No event: a sign of life is no change of state.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn heartbeat(&self, tenure: Tenure, note: Option<String>) -> Result<(), Error> {
        self.write(Heartbeat { tenure, note }).await
    }
}

struct Heartbeat {
    tenure: Tenure,
    note: Option<String>,
}

impl Write for Heartbeat {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![*task, *run, lock, now, self.note.clone()];
        match tx.execute(&sql::HEARTBEAT, shown).await? {
            0 => Err(not_owner(tx, &self.tenure, Asking::Open).await?),
            _ => Ok(()),
        }
    }
}
