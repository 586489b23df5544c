//! end: the one place that closes a run.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{BlockKind, Reason, Report, TaskId, Tenure};

use crate::children::{self, tell_children};
use crate::clock::millis;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{
    Ask, Asked, Awaited, Conclusion, End, Ending, Evidence, Limits, LinkKind, Move, Next, Outcome,
    Rest, Streaks, TaskEnd, TaskStatus, classify,
};
use crate::moved::{Moved, Resting, block_kind, move_task};
use crate::open::Store;
use crate::read::ExitView;
use crate::recorded::Recorded;
use crate::sql;
use crate::standing::{Asking, not_owner};
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::{awaited, link_behind};
use crate::writer::Write;

/// So many earlier blocks are told when the breaker gives a task up for them, and so much of each: a
/// reason is for people to read.
const STORY: u32 = 20;
const STORY_CHARS: usize = 200;

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

    /// Writes the event that a guard stood down; only where the lock shown is that run's own. The
    /// run itself stays as it is. Whether it was written.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stood_down(&self, tenure: Tenure, reason: Reason) -> Result<bool, Error> {
        self.write(StoodDown { tenure, reason }).await
    }
}

/// The closing of a run, fenced by its tenure.
pub(crate) struct Close {
    pub(crate) tenure: Tenure,
    pub(crate) end: End,
    /// Of a back-off.
    pub(crate) jitter: u32,
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
    ask_by: Option<String>,
    ask_assignee: Option<String>,
    current_run_id: Option<i64>,
    assignee: String,
    profile: String,
    started_at: Option<i64>,
    status: String,
    #[sqlx(flatten)]
    resting: Resting,
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

/// What decides how a run closes, beside its own row.
struct Facts {
    limits: Limits,
    report: Option<Report>,
    /// How the task stands for which the worker said this one waits.
    awaited: Option<Awaited>,
    /// Why earlier attempts were blocked, where the blocks come to their limit.
    story: Vec<String>,
}

#[derive(FromRow)]
struct EarlierBlock {
    run_id: i64,
    reason: String,
}

/// What an end means.
struct Judged {
    conclusion: Conclusion,
    streaks: Streaks,
    next: Next,
}

impl Close {
    async fn facts(&self, tx: &mut Transaction, closing: &Closing) -> Result<Facts, Error> {
        let limits: Limits = serde_json::from_str(&closing.limits)?;
        let report = closing.report.as_deref().map(serde_json::from_str);
        let report: Option<Report> = report.transpose()?;
        let task = self.tenure.task;
        let is_open = closing.ended_at.is_none();
        let awaited = match &report {
            Some(Report::Wait { after, .. }) if is_open => Some(awaited(tx, task, *after).await?),
            Some(_) | None => None,
        };
        let blocks = closing.resting.streaks()?.blocks;
        let story = if blocks > 0 && blocks.saturating_add(1) >= limits.max_blocks && is_open {
            self.story(tx, blocks).await?
        } else {
            Vec::new()
        };
        Ok(Facts {
            limits,
            report,
            awaited,
            story,
        })
    }

    /// Why the last attempts were blocked, oldest first.
    async fn story(&self, tx: &mut Transaction, blocks: u32) -> Result<Vec<String>, Error> {
        let Tenure { task, run, .. } = &self.tenure;
        let asked = values![*task, *run, blocks.min(STORY)];
        let rows: Vec<EarlierBlock> = tx.fetch(&sql::EARLIER_BLOCKS, asked).await?;
        let told = rows.into_iter().rev().map(|row| {
            let reason: String = row.reason.chars().take(STORY_CHARS).collect();
            format!("run {}: {reason}", row.run_id)
        });
        Ok(told.collect())
    }

    /// Decides; writes nothing.
    fn judge(&self, closing: &Closing, facts: &Facts) -> Result<Judged, Error> {
        let Facts { limits, report, .. } = facts;
        let ask: Option<Ask> = closing.ask.as_deref().map(str::parse).transpose()?;
        let conclusion = classify(&Evidence {
            protocol: limits.protocol,
            tempfail: limits.tempfail_exit,
            report: report.as_ref(),
            ask,
            end: &self.end,
            on_exit: &limits.on_exit,
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
                rule: conclusion.rule,
                awaited: facts.awaited,
                story: &facts.story,
                jitter: self.jitter,
            },
            limits,
        );
        Ok(Judged {
            conclusion,
            streaks,
            next,
        })
    }

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
        let seen = closing.seen.as_deref().map(serde_json::from_str);
        let seen: Option<End> = seen.transpose()?;
        // Who saw nothing has nothing to add.
        let saw_nothing = matches!(self.end, End::Unseen { .. } | End::Lapsed { .. });
        if seen.as_ref() != Some(&self.end) && !saw_nothing {
            let payload = json!({ "seen": self.end });
            let Tenure { task, run, .. } = &self.tenure;
            tx.event(*task, *run, EventKind::StaleExit, &payload);
        }
        Ok(Ended {
            outcome: closing.outcome.as_deref().unwrap_or_default().parse()?,
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
