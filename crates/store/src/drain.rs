//! drain: asks a dispatcher to take nothing new, finish its runs and leave. It learns of it with its
//! next claim, its next look at what was asked, or its next sign of life, wherever it is.

use serde_json::json;

use crate::connection::Number;
use crate::error::Error;
use crate::event::EventKind;
use crate::ids::DispatcherId;
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

impl Store {
    /// Asks a dispatcher to drain; whether it was not asked before. Whether it lives is for the
    /// caller to know.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn drain(
        &self,
        dispatcher: DispatcherId,
        by: String,
        reason: Option<String>,
    ) -> Result<bool, Error> {
        self.write(Drain {
            dispatcher,
            by,
            reason,
        })
        .await
    }

    /// Whether a dispatcher is asked to drain.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn is_draining(&self, dispatcher: DispatcherId) -> Result<bool, Error> {
        self.read(async |tx| is_draining(tx, dispatcher).await)
            .await
    }
}

pub(crate) async fn is_draining(
    tx: &mut Transaction,
    dispatcher: DispatcherId,
) -> Result<bool, Error> {
    let found = tx.fetch_one::<Number>(&sql::DRAIN_AT, values![dispatcher]);
    Ok(found.await?.is_some())
}

struct Drain {
    dispatcher: DispatcherId,
    by: String,
    reason: Option<String>,
}

impl Write for Drain {
    type Answer = bool;

    async fn apply(&self, tx: &mut Transaction) -> Result<bool, Error> {
        let now = tx.now().await?;
        let asked = tx.execute(&sql::DRAIN, values![self.dispatcher, now]);
        if asked.await? == 0 {
            return Ok(false);
        }
        let payload = json!({
            "dispatcher_id": self.dispatcher,
            "by": self.by,
            "reason": self.reason,
        });
        tx.event(None, None, EventKind::Draining, &payload);
        Ok(true)
    }
}
