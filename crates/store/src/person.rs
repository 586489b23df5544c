//! person: what people want of a task. A running task is never moved from here: the wish is
//! recorded on its run, and the holder's side carries it out.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{BlockKind, Report, RunId, TaskId};

use crate::children::tell_children;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{Ask, IllegalMove, Move, Streaks, TaskEnd, TaskStatus};
use crate::moved::{Moved, Resting, block_kind, move_task};
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The task is not wanted any more.
    Cancel,
    /// End its run and keep it from starting again. Refused where nothing runs.
    Stop,
    /// Take it back and leave it ready. Refused where nothing runs.
    Reclaim,
    /// Let it wait.
    Block {
        /// Why it waits; [`BlockKind::GaveUp`] is the breaker's alone.
        kind: BlockKind,
    },
    /// Let it go on; all streaks start anew.
    Unblock,
    /// Try it again from a clean slate: parents and time still count, streaks start anew.
    Retry,
}

/// What became of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The task moved.
    Moved(TaskStatus),
    /// It is running: the run was asked, and will end.
    Asked {
        /// The run.
        run: RunId,
        /// What stands on it: the first ask of a person.
        ask: Ask,
    },
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
        if let Wish::Block { kind } = &wish {
            check_block(*kind, reason.as_deref())?;
        }
        self.write(Wished {
            task,
            wish,
            by,
            reason,
        })
        .await
    }
}

/// A person who lets a task wait says why, or nobody will know when to let it go on.
fn check_block(kind: BlockKind, reason: Option<&str>) -> Result<(), Error> {
    match kind {
        BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator => {}
        BlockKind::GaveUp => {
            return Err(Error::Invalid(
                "kind gave_up is the breaker's alone: use needs_input, capability or operator"
                    .into(),
            ));
        }
    }
    match reason {
        Some(reason) if !reason.is_empty() => Ok(()),
        Some(_) | None => Err(Error::Invalid(
            "a block needs a reason: say what the task waits for".into(),
        )),
    }
}

struct Wished {
    task: TaskId,
    wish: Wish,
    by: String,
    reason: Option<String>,
}

#[derive(FromRow)]
struct WishedTask {
    status: String,
    current_run_id: Option<i64>,
    block_kind: Option<String>,
    #[sqlx(flatten)]
    resting: Resting,
}

#[derive(FromRow)]
struct WishedRun {
    ask: Option<String>,
    report: Option<String>,
}

impl Write for Wished {
    type Answer = Granted;

    async fn apply(&self, tx: &mut Transaction) -> Result<Granted, Error> {
        let found = tx.fetch_one::<WishedTask>(&sql::WISHED_TASK, values![self.task]);
        let task = found.await?.ok_or(Error::NoSuchTask(self.task))?;
        let status: TaskStatus = task.status.parse()?;
        match task.current_run_id {
            Some(run) => self.ask(tx, RunId(run)).await,
            None => self.carry_out(tx, status, &task).await,
        }
    }
}

impl Wished {
    fn refuse<T>(&self, why: String) -> Result<T, Error> {
        Err(Error::Refused {
            task: self.task,
            why,
        })
    }

    /// What a running run is asked, or the move that makes no sense while it runs.
    fn as_ask(&self) -> Result<Ask, Move> {
        match self.wish {
            Wish::Cancel => Ok(Ask::Cancel),
            Wish::Stop => Ok(Ask::Stop),
            Wish::Reclaim => Ok(Ask::Reclaim),
            Wish::Block { .. } => Ok(Ask::Block),
            Wish::Unblock => Err(Move::Unblocked),
            Wish::Retry => Err(Move::Retried),
        }
    }

    /// Records the wish on the run; what a person asked before stands.
    async fn ask(&self, tx: &mut Transaction, run: RunId) -> Result<Granted, Error> {
        let ask = self.as_ask().map_err(|by| Error::Illegal {
            task: self.task,
            source: IllegalMove {
                from: TaskStatus::Running,
                by,
            },
        })?;
        let found = tx.fetch_one::<WishedRun>(&sql::WISHED_RUN, values![run]);
        let standing = found.await?.ok_or(Error::NoSuchRun(run))?;
        if let Some(report) = &standing.report {
            let report: Report = serde_json::from_str(report)?;
            return self.refuse(format!(
                "run {run} reported {} already; it is ending: wait for it",
                report.name()
            ));
        }
        let asked: Option<Ask> = standing.ask.as_deref().map(str::parse).transpose()?;
        if let Some(ask) = asked
            && !ask.takes_reports()
        {
            return Ok(Granted::Asked { run, ask });
        }
        let now = tx.now().await?;
        let kind = match self.wish {
            Wish::Block { kind } => Some(kind),
            Wish::Cancel | Wish::Stop | Wish::Reclaim | Wish::Unblock | Wish::Retry => None,
        };
        let by = self.by.as_str();
        let recorded = values![run, ask, by, self.reason.as_deref(), kind, now];
        if tx.execute(&sql::ASK, recorded).await? == 0 {
            return Err(Error::Unavailable(format!(
                "run {run} changed while it was asked: try again"
            )));
        }
        let payload = json!({ "ask": ask, "by": self.by, "reason": self.reason });
        tx.event(self.task, run, EventKind::Asked, &payload);
        Ok(Granted::Asked { run, ask })
    }

    /// Moves a task that does not run.
    async fn carry_out(
        &self,
        tx: &mut Transaction,
        status: TaskStatus,
        task: &WishedTask,
    ) -> Result<Granted, Error> {
        let resting = &task.resting;
        let now = tx.now().await?;
        let rest = resting.rest(now);
        let (by, kind) = match self.wish {
            Wish::Cancel => (Move::Cancelled, EventKind::Cancelled),
            Wish::Block { .. } => (Move::Blocked, EventKind::Blocked),
            Wish::Unblock => (Move::Unblocked, EventKind::Unblocked),
            Wish::Retry => (Move::Retried, EventKind::Retried),
            Wish::Stop => return self.refuse(nothing_runs(status, "stop")),
            Wish::Reclaim => return self.refuse(nothing_runs(status, "reclaim")),
        };
        let illegal = |source| Error::Illegal {
            task: self.task,
            source,
        };
        let streaks = match by {
            Move::Retried => Streaks::default(),
            Move::Unblocked => {
                let kind = task.block_kind.as_deref().map(block_kind).transpose()?;
                resting.streaks()?.after_unblock(kind)
            }
            Move::Claimed
            | Move::Ended(_)
            | Move::ParentsDone
            | Move::NotNeeded
            | Move::Due
            | Move::Blocked
            | Move::Cancelled => resting.streaks()?,
        };
        let moved = Moved {
            status: status.after(by, rest).map_err(illegal)?,
            pending_parents: resting.pending_parents,
            not_before: resting.not_before,
            block: match self.wish {
                Wish::Block { kind } => Some((kind, self.reason.clone().unwrap_or_default())),
                Wish::Cancel | Wish::Stop | Wish::Reclaim | Wish::Unblock | Wish::Retry => None,
            },
            streaks,
            archived_at: None,
        };
        move_task(tx, self.task, &moved).await?;
        let payload = json!({
            "by": self.by,
            "reason": self.reason,
            "from": status,
            "status": moved.status,
        });
        tx.event(self.task, None, kind, &payload);
        let block = moved.block.as_ref().map(|(kind, _)| *kind);
        if let Some(end) = TaskEnd::of(moved.status, block) {
            tell_children(tx, self.task, end, None).await?;
        }
        Ok(Granted::Moved(moved.status))
    }
}

/// Why a verb that ends a run makes no sense here, and which one does.
fn nothing_runs(status: TaskStatus, verb: &str) -> String {
    let instead = match status {
        TaskStatus::Todo | TaskStatus::Scheduled | TaskStatus::Ready => {
            "`tenure block` keeps it from starting, `tenure cancel` gives it up"
        }
        TaskStatus::Running => "wait until it runs",
        TaskStatus::Blocked => "it waits for `tenure unblock` or `tenure cancel`",
        TaskStatus::Done => "the work is done",
        TaskStatus::Cancelled => "`tenure retry` brings it back",
    };
    format!("it is {status}, and there is no run to {verb}: {instead}")
}
