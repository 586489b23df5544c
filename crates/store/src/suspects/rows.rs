//! The rows in which suspects are read, and what each of them says.

use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use super::{Blocked, Deserted, EndedRun, Freed, PausedTask, Troubled, Unverified, Waiting};
use crate::asks::{Asks, words};
use crate::clock::timestamp;
use crate::dispatcher::dispatcher_id;
use crate::error::Error;
use crate::ids::BatchId;
use crate::lane::Lane;
use crate::life::{End, Outcome, Streaks};
use crate::moved::small;
use crate::read::Stored;

#[derive(FromRow)]
pub(super) struct TroubledRow {
    id: i64,
    status: String,
    assignee: String,
    not_before: Option<i64>,
    failures: i64,
    violations: i64,
    defers: i64,
    benign: i64,
    lost: i64,
    blocks: i64,
    run_a: Option<i64>,
    outcome_a: Option<String>,
    reason_a: Option<String>,
    seen_a: Option<String>,
    run_b: Option<i64>,
    outcome_b: Option<String>,
    reason_b: Option<String>,
    seen_b: Option<String>,
    outcome_c: Option<String>,
    waits: i64,
}

impl TroubledRow {
    pub(super) fn read(self) -> Result<Troubled, Error> {
        let ends = [&self.outcome_a, &self.outcome_b, &self.outcome_c];
        let ended = ends.into_iter().flatten();
        let crashes = ended.take_while(|word| *word == Outcome::Crashed.name());
        let crashes = small(i64::try_from(crashes.count()).unwrap_or(0))?;
        // The newest one may still be open.
        let newest = match ended_run(
            self.run_a,
            self.outcome_a,
            self.reason_a,
            self.seen_a.as_deref(),
        )? {
            Some(newest) => Some(newest),
            None => ended_run(
                self.run_b,
                self.outcome_b,
                self.reason_b,
                self.seen_b.as_deref(),
            )?,
        };
        Ok(Troubled {
            task: TaskId(self.id),
            status: self.status.parse()?,
            profile: self.assignee,
            not_before: self.not_before.map(timestamp).transpose()?,
            streaks: Streaks {
                failures: small(self.failures)?,
                violations: small(self.violations)?,
                defers: small(self.defers)?,
                benign: small(self.benign)?,
                lost: small(self.lost)?,
                blocks: small(self.blocks)?,
            },
            newest,
            crashes,
            waits: small(self.waits)?,
        })
    }
}

fn ended_run(
    run: Option<i64>,
    outcome: Option<String>,
    reason: Option<String>,
    seen: Option<&str>,
) -> Result<Option<EndedRun>, Error> {
    let (Some(run), Some(outcome)) = (run, outcome) else {
        return Ok(None);
    };
    // Of an end of a kind that a newer program knows nothing follows here.
    let seen = seen.map(Stored::<End>::json).transpose()?;
    let seen = seen.and_then(|end| end.known().cloned());
    Ok(Some(EndedRun {
        run: RunId(run),
        outcome: Stored::word(outcome),
        reason: reason.unwrap_or_default(),
        stood_down: seen.and_then(|end| match end {
            End::StoodDown { reason } => Some(reason),
            End::Exited { stood_down, .. } => stood_down,
            End::SpawnFailed { .. }
            | End::NeverStarted { .. }
            | End::Unseen { .. }
            | End::Lapsed { .. } => None,
        }),
    }))
}

#[derive(FromRow)]
pub(super) struct BlockedRow {
    id: i64,
    block_kind: String,
    block_reason: String,
    since: i64,
}

impl BlockedRow {
    pub(super) fn read(self) -> Result<Blocked, Error> {
        Ok(Blocked {
            task: TaskId(self.id),
            kind: crate::moved::block_kind(&self.block_kind)?,
            reason: self.block_reason,
            since: timestamp(self.since)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct ProfileRow {
    pub(super) profile: String,
}

#[derive(FromRow)]
pub(super) struct LaneRow {
    pub(super) lane: String,
}

#[derive(FromRow)]
pub(super) struct HeadRow {
    id: i64,
    batch_id: Option<i64>,
    key_limit: Option<i64>,
    number: i64,
    since: i64,
    updated_at: i64,
}

impl HeadRow {
    pub(super) fn read(self, profile: &str, lane: Lane) -> Result<Waiting, Error> {
        Ok(Waiting {
            profile: profile.to_owned(),
            skills: lane.skills,
            requires: lane.requires,
            limit_key: lane.limit_key,
            limit: self.key_limit.map(small).transpose()?,
            first: TaskId(self.id),
            batch: self.batch_id.map(BatchId),
            number: small(self.number)?,
            since: timestamp(self.since)?,
            changed_at: timestamp(self.updated_at)?,
            beyond: None,
        })
    }
}

/// One of the first tasks of a lane.
#[derive(FromRow)]
pub(super) struct AsksRow {
    pub(super) id: i64,
    batch_id: Option<i64>,
    key_limit: Option<i64>,
    since: i64,
    updated_at: i64,
    command: Option<String>,
    env: String,
    limits: String,
}

impl AsksRow {
    /// What it asks that is not understood here.
    pub(super) fn beyond(&self) -> Option<String> {
        let asks = Asks::read(self.command.as_deref(), &self.env, &self.limits);
        Some(words(&asks.err()?))
    }

    /// What waits of a lane, where this is the first of so many.
    pub(super) fn head(&self, number: usize, of: &Waiting) -> Result<Waiting, Error> {
        Ok(Waiting {
            first: TaskId(self.id),
            batch: self.batch_id.map(BatchId),
            limit: self.key_limit.and_then(|limit| u32::try_from(limit).ok()),
            number: u32::try_from(number).unwrap_or(u32::MAX),
            since: timestamp(self.since)?,
            changed_at: timestamp(self.updated_at)?,
            beyond: self.beyond(),
            ..of.clone()
        })
    }
}

#[derive(FromRow)]
pub(super) struct FreedRow {
    dispatcher_id: String,
    profile: String,
    limit_key: Option<String>,
}

impl FreedRow {
    pub(super) fn read(self) -> Result<Freed, Error> {
        Ok(Freed {
            dispatcher: dispatcher_id(&self.dispatcher_id)?,
            profile: self.profile,
            limit_key: self.limit_key,
        })
    }
}

#[derive(FromRow)]
pub(super) struct EventRow {
    pub(super) kind: String,
    pub(super) at: i64,
}

#[derive(FromRow)]
pub(super) struct KeyRow {
    pub(super) limit_key: String,
    pub(super) number: i64,
}

#[derive(FromRow)]
pub(super) struct OverdueRow {
    pub(super) number: i64,
    pub(super) first: Option<i64>,
}

#[derive(FromRow)]
pub(super) struct PausedRow {
    id: i64,
    status: String,
    paused_at: i64,
}

impl PausedRow {
    pub(super) fn read(self) -> Result<PausedTask, Error> {
        Ok(PausedTask {
            task: TaskId(self.id),
            status: self.status.parse()?,
            since: timestamp(self.paused_at)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct WantedRow {
    pub(super) profile: String,
    pub(super) first: Option<i64>,
}

#[derive(FromRow)]
pub(super) struct DesertedRow {
    id: i64,
    parent_id: i64,
    parent_title: String,
    parent_status: String,
    others: i64,
}

impl DesertedRow {
    pub(super) fn read(self) -> Result<Deserted, Error> {
        Ok(Deserted {
            task: TaskId(self.id),
            parent: TaskId(self.parent_id),
            parent_title: self.parent_title,
            parent_status: self.parent_status.parse()?,
            others: small(self.others)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct ResidueRow {
    pub(super) id: i64,
    pub(super) run_id: i64,
}

#[derive(FromRow)]
pub(super) struct UnverifiedRow {
    run_id: i64,
    task_id: i64,
    host_id: Option<String>,
    boot_id: Option<String>,
    warden_pid: Option<i64>,
    ended_at: i64,
    has_moved_on: i64,
}

impl UnverifiedRow {
    pub(super) fn read(self) -> Result<Unverified, Error> {
        Ok(Unverified {
            run: RunId(self.run_id),
            task: TaskId(self.task_id),
            host: self.host_id.zip(self.boot_id),
            warden: self.warden_pid.and_then(|pid| i32::try_from(pid).ok()),
            ended_at: timestamp(self.ended_at)?,
            has_moved_on: self.has_moved_on != 0,
        })
    }
}
