//! start: commits who stands over the run, once, before the first instruction of its command.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::Tenure;

use crate::clock::{millis, timestamp};
use crate::error::Error;
use crate::event::EventKind;
use crate::life::Limits;
use crate::open::Store;
use crate::process::ProcessId;
use crate::recorded::Recorded;
use crate::sql;
use crate::standing::{Asking, not_owner, refusal};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// What is written down at a start.
#[derive(Clone, Debug)]
pub struct Start {
    /// The fence.
    pub tenure: Tenure,
    /// Who stands over the run.
    pub warden: ProcessId,
    /// Where it answers its worker.
    pub socket: PathBuf,
    /// Where the worker's output goes.
    pub log: Option<PathBuf>,
    /// How long the lease is from now on.
    pub lease: Duration,
}

/// What a start granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// When the run's time is up, where it has a limit.
    pub deadline: Option<jiff::Timestamp>,
}

impl Store {
    /// Commits the start, fenced; the lease must still hold, nothing may be asked of the run, and
    /// nobody may have started it. The same warden again is answered like the first time, so a
    /// lost answer can be asked for.
    ///
    /// # Errors
    /// [`Error::NotOwner`] with the reason, in the order of the check; [`Error::Unavailable`].
    pub async fn start(&self, start: Start) -> Result<Started, Error> {
        self.write(start).await
    }

    /// Writes down the worker's own pid, fenced.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn note_worker(&self, tenure: Tenure, pid: i32) -> Result<(), Error> {
        self.write(NoteWorker { tenure, pid }).await
    }
}

#[derive(FromRow)]
struct LimitsOfRun {
    limits: String,
}

impl Write for Start {
    type Answer = Started;

    async fn apply(&self, tx: &mut Transaction) -> Result<Started, Error> {
        let now = tx.now().await?;
        let deadline = match self.limits(tx).await? {
            Some(limits) => limits.max_runtime,
            // No such run: the statement below finds that too.
            None => None,
        }
        .map(|limit| now.saturating_add(millis(limit)));
        let changed = tx
            .execute(
                &sql::START,
                values![
                    self.tenure.task,
                    self.tenure.run,
                    &self.tenure.lock,
                    now,
                    now.saturating_add(millis(self.lease)),
                    deadline,
                    self.warden.host_id.as_str(),
                    self.warden.boot_id.as_str(),
                    self.warden.pid_namespace.cast_signed(),
                    self.warden.pid,
                    self.warden.start_ticks.cast_signed(),
                    self.warden.inode.cast_signed(),
                    self.socket.as_path(),
                    self.log.as_deref(),
                ],
            )
            .await?;
        if changed == 0 {
            return self.repeated(tx).await;
        }
        let payload = json!({ "warden_pid": self.warden.pid, "host_id": self.warden.host_id });
        tx.event(
            self.tenure.task,
            self.tenure.run,
            EventKind::Started,
            &payload,
        );
        Started::until(deadline)
    }
}

impl Start {
    /// The limits that were in force at the claim.
    async fn limits(&self, tx: &mut Transaction) -> Result<Option<Limits>, Error> {
        let run = values![self.tenure.run];
        let found = tx
            .fetch_one::<LimitsOfRun>(&sql::LIMITS_OF_RUN, run)
            .await?;
        let limits = found.map(|row| serde_json::from_str(&row.limits));
        Ok(limits.transpose()?)
    }

    /// The answer of the first time, for the warden that got it or should have.
    async fn repeated(&self, tx: &mut Transaction) -> Result<Started, Error> {
        if refusal(tx, &self.tenure, Asking::Open).await?.is_none()
            && let Some(recorded) = Recorded::read(tx, &self.tenure).await?
            && recorded.is_started_by(&self.warden)
        {
            return Started::until(recorded.deadline_at);
        }
        Err(not_owner(tx, &self.tenure, Asking::Start).await?)
    }
}

impl Started {
    fn until(deadline: Option<i64>) -> Result<Self, Error> {
        let deadline = deadline.map(timestamp).transpose()?;
        Ok(Self { deadline })
    }
}

struct NoteWorker {
    tenure: Tenure,
    pid: i32,
}

impl Write for NoteWorker {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![*task, *run, lock, self.pid];
        match tx.execute(&sql::NOTE_WORKER, shown).await? {
            0 => Err(not_owner(tx, &self.tenure, Asking::Open).await?),
            _ => Ok(()),
        }
    }
}
