//! drain: asks a dispatcher to take nothing new, finish its runs and leave. It learns of it with its
//! next claim, its next look at what was asked, or its next sign of life, wherever it is.
//!
//! **Invariant:** whoever was asked to leave hands its place on to nobody, and who has handed it on
//! cannot be asked any more: one row knows both.

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

/// What became of the wish that a dispatcher drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// It is asked now.
    Asked,
    /// It was asked before.
    AskedBefore,
    /// It has left, or handed its place on to another incarnation.
    Gone,
}

impl Store {
    /// Asks a dispatcher to drain. One that died without a word counts as living here.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn drain(
        &self,
        dispatcher: DispatcherId,
        by: String,
        reason: Option<String>,
    ) -> Result<Drained, Error> {
        self.write(Drain {
            dispatcher,
            by,
            reason,
        })
        .await
    }

    /// Notes that a dispatcher is gone, so that its process may go on as another incarnation; not where
    /// it was asked to drain, which that one would not know. Whether it is gone.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn hand_on(&self, dispatcher: DispatcherId) -> Result<bool, Error> {
        self.write(HandOn(dispatcher)).await
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
    type Answer = Drained;

    async fn apply(&self, tx: &mut Transaction) -> Result<Drained, Error> {
        let now = tx.now().await?;
        let asked = tx.execute(&sql::DRAIN, values![self.dispatcher, now]);
        if asked.await? == 0 {
            return Ok(if is_draining(tx, self.dispatcher).await? {
                Drained::AskedBefore
            } else {
                Drained::Gone
            });
        }
        let payload = json!({
            "dispatcher_id": self.dispatcher,
            "by": self.by,
            "reason": self.reason,
        });
        tx.event(None, None, EventKind::Draining, &payload);
        Ok(Drained::Asked)
    }
}

struct HandOn(DispatcherId);

impl Write for HandOn {
    type Answer = bool;

    async fn apply(&self, tx: &mut Transaction) -> Result<bool, Error> {
        let now = tx.now().await?;
        Ok(tx.execute(&sql::HAND_ON, values![self.0, now]).await? > 0)
    }
}
