//! What an end means: everything that decides it is read first, then it is decided.

use sqlx::FromRow;
use tenure_guard::{Report, Tenure};

use super::Close;
use crate::error::Error;
use crate::life::{
    Ask, Asked, Awaited, Conclusion, Ending, Evidence, Limits, Next, Streaks, classify,
};
use crate::moved::{Resting, block_kind};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::wait::awaited;

/// So many earlier blocks are told when the breaker gives a task up for them, and so much of each: a
/// reason is for people to read.
const STORY: u32 = 20;
const STORY_CHARS: usize = 200;

/// All that decides how a run closes.
#[derive(FromRow)]
pub(super) struct Closing {
    pub(super) ended_at: Option<i64>,
    pub(super) outcome: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) seen: Option<String>,
    pub(super) limits: String,
    pub(super) report: Option<String>,
    pub(super) ask: Option<String>,
    pub(super) ask_block_kind: Option<String>,
    pub(super) ask_reason: Option<String>,
    pub(super) ask_by: Option<String>,
    pub(super) ask_assignee: Option<String>,
    pub(super) current_run_id: Option<i64>,
    pub(super) assignee: String,
    pub(super) profile: String,
    pub(super) started_at: Option<i64>,
    pub(super) status: String,
    #[sqlx(flatten)]
    pub(super) resting: Resting,
}

/// What decides how a run closes, beside its own row.
pub(super) struct Facts {
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
pub(super) struct Judged {
    pub(super) conclusion: Conclusion,
    pub(super) streaks: Streaks,
    pub(super) next: Next,
}

impl Close {
    /// Reads what decides beside the run's own row.
    pub(super) async fn facts(
        &self,
        tx: &mut Transaction,
        closing: &Closing,
    ) -> Result<Facts, Error> {
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
    pub(super) fn judge(&self, closing: &Closing, facts: &Facts) -> Result<Judged, Error> {
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
}
