//! pause: keeps the store, a profile or a task from starting anything; what runs goes on. What is
//! paused stays so until somebody says `resume`, whoever dispatches.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use tenure_guard::TaskId;

use crate::clock::timestamp;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::TaskStatus;
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// What stands before a profile's name in the table of pauses.
pub(crate) const PROFILE: &str = "profile:";

/// What is kept from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pausable {
    /// Everything.
    Store,
    /// Whatever is of this profile.
    Profile(String),
    /// One task.
    Task(TaskId),
}

impl std::fmt::Display for Pausable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store => f.write_str("the store"),
            Self::Profile(profile) => write!(f, "profile {profile}"),
            Self::Task(task) => write!(f, "task {task}"),
        }
    }
}

impl Pausable {
    /// As the store writes it, where it is no task.
    fn key(&self) -> Option<String> {
        match self {
            Self::Store => Some("store".to_owned()),
            Self::Profile(profile) => Some(format!("{PROFILE}{profile}")),
            Self::Task(_) => None,
        }
    }

    fn task(&self) -> Option<TaskId> {
        match self {
            Self::Store | Self::Profile(_) => None,
            Self::Task(task) => Some(*task),
        }
    }
}

/// What became of a pause or a resumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PauseChange {
    /// Whether anything changed: it may have been as wanted before.
    pub changed: bool,
    /// Since when it is paused, or was; `None` where it was not paused when it was resumed.
    pub paused_at: Option<jiff::Timestamp>,
}

impl Store {
    /// Pauses; what is paused stays so since then.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Refused`] for a task that is over, [`Error::Unavailable`].
    pub async fn pause(
        &self,
        what: Pausable,
        by: String,
        reason: Option<String>,
    ) -> Result<PauseChange, Error> {
        self.write(Change {
            what,
            by,
            reason,
            to: To::Paused,
        })
        .await
    }

    /// Lets it start again.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn resume(
        &self,
        what: Pausable,
        by: String,
        reason: Option<String>,
    ) -> Result<PauseChange, Error> {
        self.write(Change {
            what,
            by,
            reason,
            to: To::Going,
        })
        .await
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Paused,
    Going,
}

struct Change {
    what: Pausable,
    by: String,
    reason: Option<String>,
    to: To,
}

#[derive(FromRow)]
struct PausedAt {
    paused_at: i64,
}

#[derive(FromRow)]
struct PausedTask {
    status: String,
    paused_at: Option<i64>,
}

impl Write for Change {
    type Answer = PauseChange;

    async fn apply(&self, tx: &mut Transaction) -> Result<PauseChange, Error> {
        let since = self.since(tx).await?;
        let now = tx.now().await?;
        let paused_at = match (self.to, since) {
            (To::Paused, None) => Some(now),
            (To::Paused | To::Going, since) => since,
        };
        let changed = since.is_some() != (self.to == To::Paused);
        if changed {
            self.write(tx, now).await?;
            let kind = match self.to {
                To::Paused => EventKind::Paused,
                To::Going => EventKind::Resumed,
            };
            let payload = json!({
                "what": self.what.key().unwrap_or_else(|| "task".to_owned()),
                "by": self.by,
                "reason": self.reason,
                "paused_at": paused_at.map(timestamp).transpose()?,
            });
            tx.event(self.what.task(), None, kind, &payload);
        }
        Ok(PauseChange {
            changed,
            paused_at: paused_at.map(timestamp).transpose()?,
        })
    }
}

impl Change {
    /// Since when it is paused.
    async fn since(&self, tx: &mut Transaction) -> Result<Option<i64>, Error> {
        let Some(task) = self.what.task() else {
            let found = tx.fetch_one::<PausedAt>(&sql::PAUSED_AT, values![self.what.key()]);
            return Ok(found.await?.map(|row| row.paused_at));
        };
        let found = tx.fetch_one::<PausedTask>(&sql::WISHED_TASK, values![task]);
        let found = found.await?.ok_or(Error::NoSuchTask(task))?;
        let status: TaskStatus = found.status.parse()?;
        if self.to == To::Paused && status.is_finished() {
            return Err(Error::Refused {
                task,
                why: format!("it is {status}, and starts no more: there is nothing to pause"),
            });
        }
        Ok(found.paused_at)
    }

    async fn write(&self, tx: &mut Transaction, now: i64) -> Result<(), Error> {
        let paused_at = (self.to == To::Paused).then_some(now);
        match (self.what.task(), self.to) {
            (Some(task), _) => {
                tx.execute(&sql::PAUSE_TASK, values![task, paused_at, now])
                    .await?;
            }
            (None, To::Paused) => {
                let row = values![
                    self.what.key(),
                    self.by.as_str(),
                    self.reason.as_deref(),
                    now
                ];
                tx.execute(&sql::ADD_PAUSE, row).await?;
            }
            (None, To::Going) => {
                tx.execute(&sql::REMOVE_PAUSE, values![self.what.key()])
                    .await?;
            }
        }
        Ok(())
    }
}
