//! person: what people want of a task. A running task is never moved from here: the wish is
//! recorded on its run, and the holder's side carries it out.

mod rest;
mod tree;
mod wish;

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{Report, RunId, TaskId};

use crate::error::Error;
use crate::event::EventKind;
use crate::life::{Ask, IllegalMove, TaskStatus};
use crate::moved::Resting;
use crate::open::Store;
use crate::sql;
use crate::task::SHELL;
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::unmet_links;
use crate::writer::Write;
use wish::OnRun;

pub use tree::Felled;
pub use wish::Wish;

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The task moved.
    Moved(TaskStatus),
    /// It was as wanted before; nothing was written.
    Already(TaskStatus),
    /// It is running: the run was asked, and will end.
    Asked {
        /// The run.
        run: RunId,
        /// What stands on it: the first ask of a person.
        ask: Ask,
    },
}

/// Whether a wish is carried out, or only looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earnest {
    /// It is carried out.
    Do,
    /// Nothing is written; the answer is what it would be.
    DryRun,
}

impl Store {
    /// Carries out a wish, or records it on the running run; `by` and `reason` go to the event.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Illegal`], [`Error::Refused`], [`Error::Invalid`] for a
    /// block without a reason, [`Error::Unavailable`].
    pub async fn wish(
        &self,
        task: TaskId,
        wish: Wish,
        by: String,
        reason: Option<String>,
    ) -> Result<Granted, Error> {
        self.wish_in(Earnest::Do, task, wish, by, reason).await
    }

    /// The same, in earnest or not.
    ///
    /// # Errors
    /// As [`Store::wish`].
    pub async fn wish_in(
        &self,
        earnest: Earnest,
        task: TaskId,
        wish: Wish,
        by: String,
        reason: Option<String>,
    ) -> Result<Granted, Error> {
        wish.check(reason.as_deref())?;
        let said = Said {
            wish,
            by,
            reason,
            earnest,
        };
        self.write(Wished { task, said }).await
    }
}

/// A wish, by whom and why.
struct Said {
    wish: Wish,
    by: String,
    reason: Option<String>,
    earnest: Earnest,
}

/// Carries out a wish of nobody's but the store's own.
pub(crate) async fn wish_of_tenure(
    tx: &mut Transaction,
    task: TaskId,
    wish: Wish,
    reason: String,
) -> Result<Granted, Error> {
    let said = Said {
        wish,
        by: "tenure".into(),
        reason: Some(reason),
        earnest: Earnest::Do,
    };
    said.grant(tx, task).await
}

struct Wished {
    task: TaskId,
    said: Said,
}

#[derive(FromRow)]
struct WishedTask {
    status: String,
    current_run_id: Option<i64>,
    archived_at: Option<i64>,
    block_kind: Option<String>,
    block_reason: Option<String>,
    assignee: String,
    #[sqlx(flatten)]
    resting: Resting,
}

#[derive(FromRow)]
struct WishedRun {
    ask: Option<String>,
    report: Option<String>,
    ended_at: Option<i64>,
}

impl Write for Wished {
    type Answer = Granted;

    async fn apply(&self, tx: &mut Transaction) -> Result<Granted, Error> {
        self.said.grant(tx, self.task).await
    }
}

impl Said {
    async fn grant(&self, tx: &mut Transaction, id: TaskId) -> Result<Granted, Error> {
        let found = tx.fetch_one::<WishedTask>(&sql::WISHED_TASK, values![id]);
        let mut task = found.await?.ok_or(Error::NoSuchTask(id))?;
        task.resting.pending_parents = self.unmet_links(tx, id).await?;
        if self.wish.assignee().is_some() && task.assignee == SHELL {
            return refuse(
                id,
                "it has a command of its own, which no profile runs: add another task, and cancel this one".into(),
            );
        }
        match task.current_run_id {
            Some(run) => self.ask(tx, id, RunId(run)).await,
            None => self.carry_out(tx, id, &task).await,
        }
    }

    /// How many parents the task waits for, once the links are written that the wish changes.
    async fn unmet_links(&self, tx: &mut Transaction, id: TaskId) -> Result<i64, Error> {
        if self.wish != Wish::Retry {
            return unmet_links(tx, id).await;
        }
        // Who wants it again wants it although the failure did not come for which it was made.
        match self.earnest {
            Earnest::Do => {
                let now = tx.now().await?;
                tx.execute(&sql::WAIVE_VAIN, values![id, now]).await?;
                unmet_links(tx, id).await
            }
            Earnest::DryRun => {
                let vain = tx.number(&sql::VAIN_LINKS, values![id]).await?;
                Ok(unmet_links(tx, id).await? - vain)
            }
        }
    }

    /// Records the wish on the run; what a person asked before stands.
    async fn ask(&self, tx: &mut Transaction, task: TaskId, run: RunId) -> Result<Granted, Error> {
        let ask = match self.wish.on_run() {
            OnRun::Asked(ask) => ask,
            OnRun::Illegal(by) => {
                let from = TaskStatus::Running;
                let source = IllegalMove { from, by };
                return Err(Error::Illegal { task, source });
            }
            OnRun::Refused(instead) => {
                return refuse(task, format!("run {run} has it: {}", instead(task)));
            }
        };
        let found = tx.fetch_one::<WishedRun>(&sql::WISHED_RUN, values![run]);
        let standing = found.await?.ok_or(Error::NoSuchRun(run))?;
        if standing.ended_at.is_some() {
            return refuse(
                task,
                format!("its run {run} ended before: `tenure edit {task} --clear-claim` frees it"),
            );
        }
        if let Some(report) = &standing.report {
            let report: Report = serde_json::from_str(report)?;
            return refuse(
                task,
                format!(
                    "run {run} reported {} already; it is ending: wait for it",
                    report.name()
                ),
            );
        }
        let asked: Option<Ask> = standing.ask.as_deref().map(str::parse).transpose()?;
        match asked.filter(|ask| !ask.takes_reports()) {
            Some(standing) => self.add_to(tx, task, run, standing).await,
            None => self.record(tx, task, run, ask).await,
        }
    }

    async fn record(
        &self,
        tx: &mut Transaction,
        task: TaskId,
        run: RunId,
        ask: Ask,
    ) -> Result<Granted, Error> {
        if self.earnest == Earnest::DryRun {
            return Ok(Granted::Asked { run, ask });
        }
        let now = tx.now().await?;
        let recorded = values![
            run,
            ask,
            self.by.as_str(),
            self.reason.as_deref(),
            self.wish.block_kind(),
            now,
            self.wish.assignee(),
        ];
        if tx.execute(&sql::ASK, recorded).await? == 0 {
            return Err(Error::Unavailable(format!(
                "run {run} changed while it was asked: try again"
            )));
        }
        self.tell_of_ask(tx, task, run, ask);
        Ok(Granted::Asked { run, ask })
    }

    /// What a person asked before stands; but to whom the task goes after it can still be said.
    async fn add_to(
        &self,
        tx: &mut Transaction,
        task: TaskId,
        run: RunId,
        standing: Ask,
    ) -> Result<Granted, Error> {
        if let (Some(assignee), Ask::Reclaim, Earnest::Do) =
            (self.wish.assignee(), standing, self.earnest)
        {
            tx.execute(&sql::ASK_ASSIGNEE, values![run, assignee])
                .await?;
            self.tell_of_ask(tx, task, run, standing);
        }
        Ok(Granted::Asked { run, ask: standing })
    }

    fn tell_of_ask(&self, tx: &mut Transaction, task: TaskId, run: RunId, ask: Ask) {
        let mut payload = json!({ "ask": ask, "by": self.by, "reason": self.reason });
        if let Some(assignee) = self.wish.assignee() {
            payload["assignee"] = assignee.into();
        }
        tx.event(task, run, EventKind::Asked, &payload);
    }
}

fn refuse<T>(task: TaskId, why: String) -> Result<T, Error> {
    Err(Error::Refused { task, why })
}
