//! end: the one place that closes a run.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{BlockKind, Reason, Report, TaskId, Tenure};

use crate::clock::millis;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{
    Ask, Asked, Conclusion, End, Ending, Evidence, Limits, Move, Next, Outcome, Rest, Streaks,
    TaskStatus, classify,
};
use crate::moved::{Moved, Resting, block_kind, free_children, move_task};
use crate::open::Store;
use crate::read::ExitView;
use crate::recorded::Recorded;
use crate::sql;
use crate::standing::{Asking, not_owner};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// How a run closed, and where its task went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// Why it is that one.
    pub reason: String,
    /// Where the task stands now.
    pub status: TaskStatus,
    /// Children that this end let go.
    pub promoted: Vec<TaskId>,
}

impl Store {
    /// Closes a run whose whole tree is dead, fenced: classifies by what was recorded and seen,
    /// writes the outcome, moves the task, promotes its children, in one transaction. Closing it
    /// again is answered as the first time and adds a `stale_exit` event only where `end` differs
    /// from what is recorded.
    ///
    /// # Errors
    /// [`Error::NotOwner`] where the lock is not the run's, [`Error::Unavailable`].
    pub async fn end(&self, tenure: Tenure, end: End) -> Result<Ended, Error> {
        self.write(Close {
            tenure,
            end,
            jitter: rand::random(),
        })
        .await
    }

    /// Writes the event that a guard stood down; only where the lock shown is that run's own. The
    /// run itself stays as it is. Whether it was written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stood_down(&self, tenure: Tenure, reason: Reason) -> Result<bool, Error> {
        self.write(StoodDown { tenure, reason }).await
    }
}

struct Close {
    tenure: Tenure,
    end: End,
    jitter: u32,
}

/// All that decides how a run closes.
#[derive(FromRow)]
struct Closing {
    ended_at: Option<i64>,
    outcome: Option<String>,
    reason: Option<String>,
    seen: Option<String>,
    limits: String,
    report: Option<String>,
    ask: Option<String>,
    ask_block_kind: Option<String>,
    ask_reason: Option<String>,
    status: String,
    #[sqlx(flatten)]
    resting: Resting,
}

impl Write for Close {
    type Answer = Ended;

    async fn apply(&self, tx: &mut Transaction) -> Result<Ended, Error> {
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![*task, *run, lock];
        let Some(closing) = tx.fetch_one::<Closing>(&sql::CLOSING, shown).await? else {
            return Err(not_owner(tx, &self.tenure, Asking::Open).await?);
        };
        if closing.ended_at.is_some() {
            return self.closed_before(tx, &closing);
        }
        let concluded = self.conclude(&closing, tx.now().await?)?;
        self.close(tx, &concluded).await?;
        move_task(tx, *task, &concluded.moved).await?;
        let promoted = match concluded.moved.status {
            TaskStatus::Done => free_children(tx, *task, *run).await?,
            TaskStatus::Todo
            | TaskStatus::Scheduled
            | TaskStatus::Ready
            | TaskStatus::Running
            | TaskStatus::Blocked
            | TaskStatus::Cancelled => Vec::new(),
        };
        Ok(Ended {
            outcome: concluded.conclusion.outcome,
            reason: concluded.conclusion.reason,
            status: concluded.moved.status,
            promoted,
        })
    }
}

/// What follows from an end.
struct Concluded {
    conclusion: Conclusion,
    moved: Moved,
    gave_up: Option<String>,
}

impl Close {
    /// The answer for a run that is closed: from what is recorded.
    fn closed_before(&self, tx: &mut Transaction, closing: &Closing) -> Result<Ended, Error> {
        let seen: Option<End> = closing
            .seen
            .as_deref()
            .map(serde_json::from_str)
            .transpose()?;
        if seen.as_ref() != Some(&self.end) {
            let payload = json!({ "seen": self.end });
            tx.event(
                self.tenure.task,
                self.tenure.run,
                EventKind::StaleExit,
                &payload,
            );
        }
        Ok(Ended {
            outcome: closing.outcome.as_deref().unwrap_or_default().parse()?,
            reason: closing.reason.clone().unwrap_or_default(),
            status: closing.status.parse()?,
            promoted: Vec::new(),
        })
    }

    /// Decides; writes nothing.
    fn conclude(&self, closing: &Closing, now: i64) -> Result<Concluded, Error> {
        let limits: Limits = serde_json::from_str(&closing.limits)?;
        let report: Option<Report> = closing
            .report
            .as_deref()
            .map(serde_json::from_str)
            .transpose()?;
        let ask: Option<Ask> = closing.ask.as_deref().map(str::parse).transpose()?;
        let conclusion = classify(&Evidence {
            protocol: limits.protocol,
            tempfail: limits.tempfail_exit,
            report: report.as_ref(),
            ask,
            end: &self.end,
        });
        let streaks = closing.resting.streaks()?.after(conclusion.outcome, ask);
        let kind = closing.ask_block_kind.as_deref().map(block_kind);
        let kind = kind.transpose()?;
        let next = streaks.next(
            &Ending {
                outcome: conclusion.outcome,
                reason: &conclusion.reason,
                report: report.as_ref(),
                asked: ask.map(|ask| Asked {
                    ask,
                    kind,
                    reason: closing.ask_reason.as_deref(),
                }),
                jitter: self.jitter,
            },
            &limits,
        );
        let moved = self.moved(closing, next, streaks, now)?;
        let gave_up = match &moved.block {
            Some((BlockKind::GaveUp, reason)) => Some(reason.clone()),
            Some(_) | None => None,
        };
        Ok(Concluded {
            conclusion,
            moved,
            gave_up,
        })
    }

    fn moved(
        &self,
        closing: &Closing,
        next: Next,
        streaks: Streaks,
        now: i64,
    ) -> Result<Moved, Error> {
        let not_before = match &next {
            Next::Again { after } if !after.is_zero() => Some(now.saturating_add(millis(*after))),
            Next::Again { .. } | Next::Done | Next::Blocked { .. } | Next::Cancelled { .. } => None,
        };
        let block = match &next {
            Next::Blocked { kind, reason } => Some((*kind, reason.clone())),
            Next::Again { .. } | Next::Done | Next::Cancelled { .. } => None,
        };
        let archived_at = matches!(next, Next::Cancelled { archived: true }).then_some(now);
        let rest = Rest {
            waits_for_parents: closing.resting.pending_parents > 0,
            waits_for_time: not_before.is_some_and(|time| time > now),
        };
        let status: TaskStatus = closing.status.parse()?;
        let status = status
            .after(Move::Ended(next), rest)
            .map_err(|source| Error::Illegal {
                task: self.tenure.task,
                source,
            })?;
        Ok(Moved {
            status,
            not_before,
            block,
            streaks,
            archived_at,
        })
    }

    /// Writes the outcome, and what happened.
    async fn close(&self, tx: &mut Transaction, concluded: &Concluded) -> Result<(), Error> {
        let now = tx.now().await?;
        let Tenure { task, run, lock } = &self.tenure;
        let Conclusion { outcome, reason } = &concluded.conclusion;
        let unverified = matches!(
            self.end,
            End::Exited {
                tree_unverified: true,
                ..
            } | End::Unseen { .. }
        );
        let seen = serde_json::to_string(&self.end)?;
        let shown = values![
            *task,
            *run,
            lock,
            seen,
            *outcome,
            reason.as_str(),
            i64::from(unverified),
            now
        ];
        if tx.execute(&sql::END, shown).await? == 0 {
            return Err(not_owner(tx, &self.tenure, Asking::Open).await?);
        }
        let payload = json!({
            "outcome": outcome,
            "reason": reason,
            "exit": self.end.exit().map(ExitView::from),
            "status": concluded.moved.status,
            "tree_unverified": unverified,
        });
        tx.event(*task, *run, EventKind::Ended, &payload);
        if let Some(limit) = &concluded.gave_up {
            let payload = json!({ "reason": limit });
            tx.event(*task, *run, EventKind::GaveUp, &payload);
        }
        Ok(())
    }
}

struct StoodDown {
    tenure: Tenure,
    reason: Reason,
}

impl Write for StoodDown {
    type Answer = bool;

    async fn apply(&self, tx: &mut Transaction) -> Result<bool, Error> {
        if Recorded::read(tx, &self.tenure).await?.is_none() {
            return Ok(false);
        }
        let payload = json!({ "reason": self.reason });
        let Tenure { task, run, .. } = &self.tenure;
        tx.event(*task, *run, EventKind::StoodDown, &payload);
        Ok(true)
    }
}
