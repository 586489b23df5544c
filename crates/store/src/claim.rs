//! claim: takes runnable tasks; makes a run and its claim lock for each. Which it takes is chosen
//! in `claim/choose.rs`.

mod choose;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{ClaimLock, RunId, TaskId, Tenure};

use crate::asks::Asks;
use crate::clock::millis;
use crate::drain::is_draining;
use crate::error::Error;
use crate::event::EventKind;
use crate::ids::{BatchId, DispatcherId};
use crate::life::{Limits, LimitsLayer, Move, Rest, TaskStatus};
use crate::open::Store;
use crate::promote::{make_due_ready, next_due};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// What a dispatcher can run.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The profile.
    pub profile: String,
    /// What it offers; a task that requires more is not taken.
    pub skills: Vec<String>,
    /// Its limits, over `[defaults]`; the task's own come over these.
    pub limits: LimitsLayer,
    /// How many of it may run at once across all dispatchers of the store.
    pub max_running: Option<u32>,
}

/// What a dispatcher asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Who asks.
    pub dispatcher: DispatcherId,
    /// At most so many.
    pub room: u32,
    /// Of these profiles; the others are not its to claim.
    pub offers: Vec<Offer>,
    /// The labels it has; a task that requires another is not its to claim.
    pub labels: Vec<String>,
    /// Of this batch only.
    pub batch: Option<BatchId>,
    /// How long the claim stands without renewal.
    pub lease: Duration,
}

/// A task that was claimed, with all that is needed to start its worker.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The fence.
    pub tenure: Tenure,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The profile.
    pub profile: String,
    /// The limits in force, resolved.
    pub limits: Limits,
    /// The task's title.
    pub title: String,
    /// What the worker is to do, in words.
    pub body: String,
    /// The task's own command, where its profile is `shell`.
    pub command: Option<Vec<String>>,
    /// Where to run; absolute.
    pub cwd: PathBuf,
    /// The task's environment.
    pub env: BTreeMap<String, String>,
}

/// What a claim brought.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// In the order in which they shall start: priority, then age.
    pub claimed: Vec<Claimed>,
    /// How long until the next scheduled task is due, where one is scheduled.
    pub next_due: Option<Duration>,
    /// Whether the dispatcher is asked to take nothing new; then nothing was claimed.
    pub draining: bool,
    /// Whether runs were asked to end, perhaps of this dispatcher.
    pub asked: bool,
}

impl Store {
    /// Makes scheduled tasks ready whose time has come, then claims: by profile and lane with room,
    /// highest priority first, oldest first among equals, where an hour of waiting is worth a point
    /// of priority. Reads no task that it may not take; what is paused it does not take, and a task of a
    /// newer program of which it does not understand everything it leaves alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; a claim whose answer was lost is found by
    /// [`Store::claimed_but_not_started`].
    pub async fn claim(&self, wanted: Wanted) -> Result<Claims, Error> {
        self.write(wanted).await
    }

    /// Whether a claim could find something: some task is ready, or scheduled for a time that has
    /// come. For a dispatcher that looks for what nobody told it of: a file that did not change
    /// since nothing at all was there is not even asked, else it is one statement that writes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn may_claim(&self) -> Result<bool, Error> {
        const NOW: i64 = 2;
        const NEVER: i64 = 0;
        let written = self.last_written();
        if self.is_quiet_since(written) {
            return Ok(false);
        }
        let readers = self.readers();
        let now = readers.clock().told();
        let found = readers.number(&sql::MAY_CLAIM, values![now]).await?;
        // Taken before the question: what was written meanwhile makes the next poll ask again.
        self.note_quiet(written.filter(|_| found == Some(NEVER)));
        Ok(found == Some(NOW))
    }

    /// Runs of this dispatcher that were claimed and never started: what a claim whose answer was
    /// lost left behind.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn claimed_but_not_started(
        &self,
        dispatcher: DispatcherId,
    ) -> Result<Vec<Tenure>, Error> {
        let rows: Vec<Unstarted> = self
            .read(async |tx| tx.fetch(&sql::UNSTARTED, values![dispatcher]).await)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Tenure {
                    task: TaskId(row.task_id),
                    run: RunId(row.run_id),
                    lock: row.claim_lock.parse()?,
                })
            })
            .collect()
    }
}

#[derive(FromRow)]
struct Unstarted {
    task_id: i64,
    run_id: i64,
    claim_lock: String,
}

/// A task that may be claimed, with all that its worker needs.
struct Candidate {
    task: TaskId,
    title: String,
    body: String,
    assignee: String,
    asks: Asks,
    cwd: PathBuf,
    attempts: u32,
    /// Its limit key and how many may run with it.
    key: Option<(String, u32)>,
    /// Its place in the order: smaller first.
    place: i64,
}

impl Write for Wanted {
    type Answer = Claims;

    async fn apply(&self, tx: &mut Transaction) -> Result<Claims, Error> {
        if is_draining(tx, self.dispatcher).await? {
            return Ok(Claims {
                draining: true,
                ..Claims::default()
            });
        }
        let promoted = make_due_ready(tx).await?;
        let chosen = self.choose(tx).await?;
        let mut claimed = Vec::with_capacity(chosen.len());
        for (offer, candidate) in chosen {
            claimed.push(self.take(tx, offer, candidate).await?);
        }
        Ok(Claims {
            claimed,
            next_due: next_due(tx)
                .await?
                .filter(|due| !(promoted.left_alone && due.is_zero())),
            draining: false,
            asked: promoted.asked,
        })
    }
}

impl Wanted {
    /// Makes the run and its lock, and gives the task to it.
    async fn take(
        &self,
        tx: &mut Transaction,
        offer: &Offer,
        candidate: Candidate,
    ) -> Result<Claimed, Error> {
        let now = tx.now().await?;
        let task = candidate.task;
        let attempt = candidate.attempts.saturating_add(1);
        let Asks {
            command,
            env,
            limits,
        } = candidate.asks;
        let limits = limits.over(offer.limits.clone()).resolve();
        let lock = new_lock(self.dispatcher)?;
        let run = values![
            task,
            attempt,
            self.dispatcher,
            &lock,
            candidate.assignee.as_str(),
            serde_json::to_string(&limits)?,
            now,
            now.saturating_add(millis(self.lease)),
        ];
        let run = RunId(tx.number(&sql::CLAIM_RUN, run).await?);
        let rest = Rest {
            waits_for_parents: false,
            waits_for_time: false,
        };
        let status = TaskStatus::Ready
            .after(Move::Claimed, rest)
            .map_err(|source| Error::Illegal { task, source })?;
        let given = values![task, status, run, attempt, now];
        tx.execute(&sql::CLAIM_TASK, given).await?;
        let payload = json!({
            "attempt": attempt,
            "profile": candidate.assignee,
            "dispatcher_id": self.dispatcher,
        });
        tx.event(task, run, EventKind::Claimed, &payload);
        Ok(Claimed {
            tenure: Tenure { task, run, lock },
            attempt,
            profile: candidate.assignee,
            limits,
            title: candidate.title,
            body: candidate.body,
            command,
            cwd: candidate.cwd,
            env,
        })
    }
}

/// A lock that nobody else has: 128 random bits, never derived from host, pid or time.
fn new_lock(dispatcher: DispatcherId) -> Result<ClaimLock, Error> {
    Ok(format!("{dispatcher}:{:032x}", rand::random::<u128>()).parse()?)
}
