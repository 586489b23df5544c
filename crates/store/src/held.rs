//! held: which profiles a dispatcher holds back, and why; published for whoever wonders why nothing
//! starts. When a profile is held back is the dispatcher's to decide.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{millis, timestamp};
use crate::error::Error;
use crate::ids::DispatcherId;
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// A profile that a dispatcher holds back. It counts as held until its time only: from then on the
/// dispatcher tries it again, and publishes anew what came of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Which profile.
    pub profile: String,
    /// What went wrong, in words.
    pub why: String,
    /// Since when none of its tasks could be started.
    pub since: Timestamp,
    /// When it is tried again.
    pub until: Timestamp,
}

/// The same, told by a dispatcher, whose clock is not the store's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldNow {
    /// Which profile.
    pub profile: String,
    /// What went wrong, in words.
    pub why: String,
    /// For how long already.
    pub held_for: Duration,
    /// How long until it is tried again.
    pub left: Duration,
}

impl Store {
    /// Publishes all that a dispatcher holds back, in place of what it published before.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn hold_back(&self, id: DispatcherId, held: Vec<HeldNow>) -> Result<(), Error> {
        self.write(HoldBack { id, held }).await
    }
}

struct HoldBack {
    id: DispatcherId,
    held: Vec<HeldNow>,
}

impl Write for HoldBack {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        let held: Result<Vec<Held>, Error> = self.held.iter().map(|one| one.at(now)).collect();
        let held = serde_json::to_string(&held?)?;
        tx.execute(&sql::HOLD_BACK, values![self.id, held]).await?;
        Ok(())
    }
}

impl HeldNow {
    fn at(&self, now: i64) -> Result<Held, Error> {
        Ok(Held {
            profile: self.profile.clone(),
            why: self.why.clone(),
            since: timestamp(now.saturating_sub(millis(self.held_for)))?,
            until: timestamp(now.saturating_add(millis(self.left)))?,
        })
    }
}
