//! hook: up to which event hooks were told, and which dispatcher tells them.
//!
//! **Invariant:** what lies before the cursor was told, or given up with an event that says so; so
//! whoever goes on from there tells everything at least once. A store in which nothing was told yet
//! begins at its newest event.

use std::time::Duration;

use serde_json::json;

use crate::clock::millis;
use crate::connection::Number;
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::ids::{DispatcherId, EventId};
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// What is older is not told any more: a hook that was set up again, or a store that comes back after
/// a long time, shall not tell of what nobody can act on.
pub const OLD: Duration = Duration::from_hours(24);

impl Store {
    /// Takes the telling of hooks for so long, where nobody else has it; answers up to which event they
    /// were told. On SQLite there is one dispatcher, and the one before is dead.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn hold_hooks(
        &self,
        dispatcher: DispatcherId,
        hold: Duration,
    ) -> Result<Option<EventId>, Error> {
        self.write(Hold { dispatcher, hold }).await
    }

    /// Notes that everything up to an event was told, and goes on holding. Whether it is still held.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn hooks_told(
        &self,
        dispatcher: DispatcherId,
        event: EventId,
        hold: Duration,
    ) -> Result<bool, Error> {
        self.write(ToldUpTo {
            dispatcher,
            event,
            hold,
        })
        .await
    }

    /// Lets another dispatcher tell.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn release_hooks(&self, dispatcher: DispatcherId) -> Result<(), Error> {
        self.write(Release(dispatcher)).await
    }

    /// Notes that a hook could not be told of an event: `program` is what should have run. Where the
    /// task of the event was cleared away meanwhile it is noted of the store, and names the task.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn hook_failed(
        &self,
        event: Event,
        program: String,
        reason: String,
    ) -> Result<(), Error> {
        self.write(Failed {
            event,
            program,
            reason,
        })
        .await
    }
}

struct Hold {
    dispatcher: DispatcherId,
    hold: Duration,
}

impl Write for Hold {
    type Answer = Option<EventId>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Option<EventId>, Error> {
        let now = tx.now().await?;
        let lapsed = if tx.is_shared() { now } else { i64::MAX };
        let until = now.saturating_add(millis(self.hold));
        let asked = values![self.dispatcher, lapsed, until];
        let held: Option<Number> = tx.fetch_one(&sql::HOLD_HOOKS, asked).await?;
        Ok(held.map(|row| EventId(row.number)))
    }
}

struct ToldUpTo {
    dispatcher: DispatcherId,
    event: EventId,
    hold: Duration,
}

impl Write for ToldUpTo {
    type Answer = bool;

    async fn apply(&self, tx: &mut Transaction) -> Result<bool, Error> {
        let until = tx.now().await?.saturating_add(millis(self.hold));
        let told = values![self.dispatcher, self.event, until];
        Ok(tx.execute(&sql::HOOKS_TOLD, told).await? > 0)
    }
}

struct Release(DispatcherId);

impl Write for Release {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.execute(&sql::RELEASE_HOOKS, values![self.0]).await?;
        Ok(())
    }
}

struct Failed {
    event: Event,
    program: String,
    reason: String,
}

impl Write for Failed {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let Event {
            task_id, run_id, ..
        } = self.event;
        let is_there = match task_id {
            Some(task) => tx.number(&sql::IS_THERE, values![task]).await? > 0,
            None => true,
        };
        let mut payload = json!({
            "event_id": self.event.id,
            "event_kind": self.event.kind,
            "program": self.program,
            "reason": self.reason,
        });
        if !is_there {
            payload["task_id"] = json!(task_id);
        }
        let task_id = task_id.filter(|_| is_there);
        tx.event(task_id, run_id, EventKind::HookFailed, &payload);
        Ok(())
    }
}

/// Which events hooks have yet to be told of: those after one that are not older than a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Untold {
    pub(crate) after: EventId,
    pub(crate) since: i64,
}

impl Untold {
    /// As it is now. Where nobody tells hooks of anything nothing is kept for them.
    pub(crate) async fn now(tx: &mut Transaction) -> Result<Self, Error> {
        let told: Option<Number> = tx.fetch_one(&sql::HOOKS_TOLD_UP_TO, Vec::new()).await?;
        Ok(Self {
            after: EventId(told.map_or(i64::MAX, |row| row.number)),
            since: tx.now().await?.saturating_sub(millis(OLD)),
        })
    }
}
