//! end: the one place that closes a run.

mod judge;

use serde_json::json;
use tenure_guard::{BlockKind, TaskId, Tenure};

use crate::children::{self, tell_children};
use crate::clock::millis;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{
    Conclusion, End, LinkKind, Move, Next, Outcome, Rest, Streaks, TaskEnd, TaskStatus,
};
use crate::moved::{Moved, move_task};
use crate::open::Store;
use crate::read::ExitView;
use crate::read::Stored;
use crate::recorded::Recorded;
use crate::sql;
use crate::standing::{Asking, not_owner};
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::link_behind;
use crate::writer::Write;
use judge::{Closing, Judged};

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
    /// again is answered as the first time and adds a `stale_exit` event only where `end` saw
    /// something else than what is recorded.
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
}

/// The closing of a run, fenced by its tenure.
pub(crate) struct Close {
    pub(crate) tenure: Tenure,
    pub(crate) end: End,
    /// Of a back-off.
    pub(crate) jitter: u32,
}

impl Write for Close {
    type Answer = Ended;

    async fn apply(&self, tx: &mut Transaction) -> Result<Ended, Error> {
        let Tenure { task, run, .. } = &self.tenure;
        let found = tx.fetch_one::<Closing>(&sql::CLOSING, values![*run]);
        let Some(closing) = found.await? else {
            return Err(not_owner(tx, &self.tenure, Asking::Open).await?);
        };
        let facts = self.facts(tx, &closing).await?;
        let judged = self.judge(&closing, &facts)?;
        if !self.close(tx, &judged.conclusion).await? {
            return self.not_closed(tx, &closing).await;
        }
        let Judged {
            conclusion,
            streaks,
            next,
        } = judged;
        let behind = match next {
            Next::Behind { parent } => Some(parent),
            Next::Done | Next::Again { .. } | Next::Blocked { .. } | Next::Cancelled { .. } => None,
        };
        let now = tx.now().await?;
        let took = closing.started_at.map_or(0, |started| now - started);
        tx.tally(closing.profile.clone(), conclusion.outcome, took.max(0));
        if closing.current_run_id != Some(run.0) {
            // Somebody took the run's name off the task by hand: only the run ends.
            return self.closed_alone(tx, &closing, conclusion);
        }
        let mut moved = self.moved(&closing, next, streaks, now)?;
        if let Some(parent) = behind {
            moved.pending_parents = link_behind(tx, *task, parent).await?;
        }
        move_task(tx, *task, &moved).await?;
        self.write_events(tx, &conclusion, moved.status);
        self.write_breaker(tx, &moved);
        self.reassign(tx, &closing).await?;
        if let Some(parent) = behind {
            let payload = json!({ "parent": parent, "kind": LinkKind::Success });
            tx.event(*task, *run, EventKind::Linked, &payload);
        }
        let block = moved.block.as_ref().map(|(kind, _)| *kind);
        let promoted = match TaskEnd::of(moved.status, block) {
            Some(end) => tell_children(tx, children::Ended::one(*task, end, Some(*run))).await?,
            None => Vec::new(),
        };
        Ok(Ended {
            outcome: conclusion.outcome,
            reason: conclusion.reason,
            status: moved.status,
            promoted,
        })
    }
}

impl Close {
    /// Writes the outcome, fenced; whether the fence let it.
    async fn close(&self, tx: &mut Transaction, conclusion: &Conclusion) -> Result<bool, Error> {
        let now = tx.now().await?;
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![
            *task,
            *run,
            lock,
            serde_json::to_string(&self.end)?,
            conclusion.outcome,
            conclusion.reason.as_str(),
            i64::from(self.is_unverified()),
            now,
        ];
        Ok(tx.execute(&sql::END, shown).await? > 0)
    }

    fn is_unverified(&self) -> bool {
        match &self.end {
            End::Exited {
                tree_unverified, ..
            }
            | End::Unseen {
                tree_unverified, ..
            } => *tree_unverified,
            End::Lapsed { .. } => true,
            End::SpawnFailed { .. } | End::NeverStarted { .. } | End::StoodDown { .. } => false,
        }
    }

    /// The answer for a run that was closed before, from what is recorded; a refusal for whoever
    /// cannot show its lock.
    async fn not_closed(&self, tx: &mut Transaction, closing: &Closing) -> Result<Ended, Error> {
        let is_its_own = Recorded::read(tx, &self.tenure).await?.is_some();
        if !is_its_own || closing.ended_at.is_none() {
            return Err(not_owner(tx, &self.tenure, Asking::Open).await?);
        }
        let seen: Option<Stored<End>> = closing.seen.as_deref().map(Stored::json).transpose()?;
        // Who saw nothing has nothing to add.
        let saw_nothing = matches!(self.end, End::Unseen { .. } | End::Lapsed { .. });
        if seen.is_none_or(|seen| seen != self.end) && !saw_nothing {
            let payload = json!({ "seen": self.end });
            let Tenure { task, run, .. } = &self.tenure;
            tx.event(*task, *run, EventKind::StaleExit, &payload);
        }
        let Ok(outcome) = closing.outcome.as_deref().unwrap_or_default().parse() else {
            // A newer program closed it in a way of its own: that it is closed is what matters here.
            return Err(not_owner(tx, &self.tenure, Asking::Open).await?);
        };
        Ok(Ended {
            outcome,
            reason: closing.reason.clone().unwrap_or_default(),
            status: closing.status.parse()?,
            promoted: Vec::new(),
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
            Next::Again { .. }
            | Next::Done
            | Next::Behind { .. }
            | Next::Blocked { .. }
            | Next::Cancelled { .. } => None,
        };
        let block = match &next {
            Next::Blocked { kind, reason } => Some((*kind, reason.clone())),
            Next::Again { .. } | Next::Done | Next::Behind { .. } | Next::Cancelled { .. } => None,
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
            pending_parents: closing.resting.pending_parents,
            not_before,
            block,
            streaks,
            archived_at,
        })
    }

    /// The end of a run that its task does not name moves nothing.
    fn closed_alone(
        &self,
        tx: &mut Transaction,
        closing: &Closing,
        conclusion: Conclusion,
    ) -> Result<Ended, Error> {
        let status: TaskStatus = closing.status.parse()?;
        self.write_events(tx, &conclusion, status);
        Ok(Ended {
            outcome: conclusion.outcome,
            reason: conclusion.reason,
            status,
            promoted: Vec::new(),
        })
    }

    /// A task that was taken back for another profile goes to that one.
    async fn reassign(&self, tx: &mut Transaction, closing: &Closing) -> Result<(), Error> {
        let Some(assignee) = closing.ask_assignee.as_deref() else {
            return Ok(());
        };
        let now = tx.now().await?;
        let Tenure { task, run, .. } = &self.tenure;
        tx.execute(&sql::REASSIGN, values![*task, assignee, now])
            .await?;
        let payload = json!({
            "by": closing.ask_by,
            "reason": closing.ask_reason,
            "was": closing.assignee,
            "assignee": assignee,
        });
        tx.event(*task, *run, EventKind::Reassigned, &payload);
        Ok(())
    }

    fn write_events(&self, tx: &mut Transaction, conclusion: &Conclusion, status: TaskStatus) {
        let Tenure { task, run, .. } = &self.tenure;
        let payload = json!({
            "outcome": conclusion.outcome,
            "reason": conclusion.reason,
            "exit": self.end.exit().map(ExitView::from),
            "status": status,
            "tree_unverified": self.is_unverified(),
        });
        tx.event(*task, *run, EventKind::Ended, &payload);
    }

    fn write_breaker(&self, tx: &mut Transaction, moved: &Moved) {
        let Tenure { task, run, .. } = &self.tenure;
        if let Some((BlockKind::GaveUp, limit)) = &moved.block {
            let payload = json!({ "reason": limit });
            tx.event(*task, *run, EventKind::GaveUp, &payload);
        }
    }
}
