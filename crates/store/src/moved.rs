//! Where a task goes, written down: what [`crate::life`] decided, for ends and for wishes alike.

use sqlx::FromRow;
use tenure_guard::{BlockKind, TaskId};

use crate::error::Error;
use crate::life::{Rest, Streaks, TaskStatus};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// The columns of a task that decide where it rests, and its streaks.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Resting {
    pub pending_parents: i64,
    pub not_before: Option<i64>,
    failures: i64,
    violations: i64,
    defers: i64,
    benign: i64,
    lost: i64,
    blocks: i64,
    /// Whether it recurs and has not begun, which nothing is that ran.
    #[sqlx(default)]
    unbegun: i64,
}

impl Resting {
    pub(crate) fn streaks(&self) -> Result<Streaks, Error> {
        Ok(Streaks {
            failures: small(self.failures)?,
            violations: small(self.violations)?,
            defers: small(self.defers)?,
            benign: small(self.benign)?,
            lost: small(self.lost)?,
            blocks: small(self.blocks)?,
        })
    }

    /// The time that stands on it once it is `status`. What was cancelled keeps it: it counts again where
    /// the task is wanted again, and a series goes on from there.
    pub(crate) fn time_at(&self, status: TaskStatus) -> Option<i64> {
        self.not_before.filter(|_| status != TaskStatus::Done)
    }

    /// Where it rests with the time that stands on it. What is to happen at a time of its series is
    /// decided where that comes, also where it is over.
    pub(crate) fn rest(&self, now: i64) -> Rest {
        Rest {
            waits_for_parents: self.pending_parents > 0,
            waits_for_time: self.unbegun > 0 || self.not_before.is_some_and(|time| time > now),
        }
    }
}

/// A task's new place. It has no run there: a run is given by a claim only.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    pub status: TaskStatus,
    /// How many of its links are not met.
    pub pending_parents: i64,
    pub not_before: Option<i64>,
    pub block: Option<(BlockKind, String)>,
    pub streaks: Streaks,
    pub archived_at: Option<i64>,
}

/// Writes a task's new place.
pub(crate) async fn move_task(
    tx: &mut Transaction,
    task: TaskId,
    moved: &Moved,
) -> Result<(), Error> {
    let now = tx.now().await?;
    let (kind, reason) = match &moved.block {
        Some((kind, reason)) => (Some(*kind), Some(reason.clone())),
        None => (None, None),
    };
    let place = values![
        task,
        moved.status,
        moved.not_before,
        kind,
        reason,
        moved.streaks.failures,
        moved.streaks.violations,
        moved.streaks.defers,
        moved.streaks.benign,
        moved.streaks.lost,
        moved.archived_at,
        now,
        moved.streaks.blocks,
        moved.pending_parents,
    ];
    tx.execute(&sql::MOVE_TASK, place).await?;
    Ok(())
}

/// A count as the store writes it.
pub(crate) fn small(number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::Unreadable(format!("{number} is no count")))
}

/// A block's kind by its word.
pub(crate) fn block_kind(word: &str) -> Result<BlockKind, Error> {
    BlockKind::ALL
        .into_iter()
        .find(|kind| kind.name() == word)
        .ok_or_else(|| Error::Unreadable(format!("{word:?} is no block kind")))
}
