//! What a wish does to a task that no run has.

use serde_json::{Value, json};
use sqlx::FromRow;
use tenure_guard::{BlockKind, TaskId};

use super::{Earnest, Granted, Said, Wish, WishedTask, refuse};
use crate::children::{Ended, tell_children};
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{Move, Rest, Streaks, TaskEnd, TaskStatus};
use crate::moved::{Moved, block_kind, move_task};
use crate::recur::{ItsTime, begin_by_hand};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// The most parents that a refusal and an event name: for people, who read no more.
const NAMED: i64 = 20;

#[derive(FromRow)]
struct UnmetParent {
    id: i64,
    status: String,
}

impl Said {
    /// Moves a task that does not run.
    pub(super) async fn carry_out(
        &self,
        tx: &mut Transaction,
        id: TaskId,
        task: &WishedTask,
    ) -> Result<Granted, Error> {
        let status: TaskStatus = task.status.parse()?;
        let (by, kind) = match &self.wish {
            Wish::Cancel => (Move::Cancelled, EventKind::Cancelled),
            Wish::Block { .. } => (Move::Blocked, EventKind::Blocked),
            Wish::Unblock => (Move::Unblocked, EventKind::Unblocked),
            Wish::Retry => (Move::Retried, EventKind::Retried),
            Wish::Complete { .. } => (Move::Completed, EventKind::Completed),
            Wish::Archive if task.archived_at.is_some() => return Ok(Granted::Already(status)),
            Wish::Archive => (Move::Archived, EventKind::Archived),
            Wish::Stop => return refuse(id, nothing_runs(id, status, "stop")),
            Wish::Reclaim => return refuse(id, nothing_runs(id, status, "reclaim")),
            Wish::Promote { force } => return self.promote(tx, id, task, *force).await,
            Wish::Reassign { profile, .. } => return self.reassign(tx, id, task, profile).await,
        };
        let rest = task.resting.rest(tx.now().await?);
        let to = legal(id, status, by.clone(), rest)?;
        if self.earnest == Earnest::DryRun {
            return Ok(Granted::Moved(to));
        }
        if by == Move::Completed {
            begin_by_hand(tx, id, ItsTime::Taken).await?;
        }
        let now = tx.now().await?;
        let moved = self.moved(task, &by, to, now)?;
        move_task(tx, id, &moved).await?;
        if by == Move::Retried && status.is_finished() {
            tx.execute(&sql::REOPEN, values![id, now]).await?;
        }
        let mut more = json!({});
        if let Some(result) = self.wish.result() {
            let text = serde_json::to_string(&result)?;
            tx.execute(&sql::SET_RESULT, values![id, text]).await?;
            more = json!({ "result": result });
        }
        self.tell(tx, id, kind, (status, to), more);
        let block = moved.block.as_ref().map(|(kind, _)| *kind);
        if let Some(end) = TaskEnd::of(to, block)
            && to != status
        {
            tell_children(tx, Ended::one(id, end, None)).await?;
        }
        Ok(Granted::Moved(to))
    }

    fn moved(
        &self,
        task: &WishedTask,
        by: &Move,
        to: TaskStatus,
        now: i64,
    ) -> Result<Moved, Error> {
        let streaks = match by {
            Move::Retried | Move::Completed => Streaks::default(),
            Move::Unblocked => {
                let kind = task.block()?.map(|(kind, _)| kind);
                task.resting.streaks()?.after_unblock(kind)
            }
            Move::Claimed
            | Move::Ended(_)
            | Move::ParentsDone
            | Move::NotNeeded
            | Move::Due
            | Move::Blocked
            | Move::Promoted
            | Move::Archived
            | Move::Unclaimed
            | Move::Cancelled => task.resting.streaks()?,
        };
        let block = match (&self.wish, to) {
            (Wish::Block { kind }, _) => Some((*kind, self.reason.clone().unwrap_or_default())),
            // Put away as it stands.
            (_, TaskStatus::Blocked) => task.block()?,
            (_, _) => None,
        };
        let archived_at = match self.wish {
            Wish::Archive => Some(now),
            // It is over either way, and stays where it was put.
            Wish::Cancel | Wish::Complete { .. } => task.archived_at,
            Wish::Stop
            | Wish::Reclaim
            | Wish::Block { .. }
            | Wish::Unblock
            | Wish::Retry
            | Wish::Promote { .. }
            | Wish::Reassign { .. } => None,
        };
        Ok(Moved {
            status: to,
            pending_parents: task.resting.pending_parents,
            not_before: task.resting.time_at(to),
            block,
            streaks,
            archived_at,
        })
    }

    /// Lets it start now; with force before its parents too.
    async fn promote(
        &self,
        tx: &mut Transaction,
        id: TaskId,
        task: &WishedTask,
        force: bool,
    ) -> Result<Granted, Error> {
        let status: TaskStatus = task.status.parse()?;
        let parents: Vec<UnmetParent> = tx.fetch(&sql::UNMET_PARENTS, values![id, NAMED]).await?;
        if status == TaskStatus::Todo && !parents.is_empty() && !force {
            let names = parents.iter().map(|parent| {
                let UnmetParent { id, status } = parent;
                format!("task {id} ({status})")
            });
            let names = names.collect::<Vec<_>>().join(", ");
            return refuse(
                id,
                format!("it waits for {names}: `tenure promote {id} --force` does not"),
            );
        }
        let rest = Rest {
            waits_for_parents: false,
            waits_for_time: false,
        };
        let to = legal(id, status, Move::Promoted, rest)?;
        if self.earnest == Earnest::DryRun {
            return Ok(Granted::Moved(to));
        }
        let now = tx.now().await?;
        begin_by_hand(tx, id, ItsTime::Kept).await?;
        tx.execute(&sql::WAIVE, values![id, now]).await?;
        tx.execute(&sql::PROMOTE, values![id, to, now]).await?;
        let waived: Vec<i64> = parents.iter().map(|parent| parent.id).collect();
        let more = json!({ "waived": waived });
        self.tell(tx, id, EventKind::Promoted, (status, to), more);
        Ok(Granted::Moved(to))
    }

    /// Gives it to another profile; whether that profile can do it is for the caller to know.
    async fn reassign(
        &self,
        tx: &mut Transaction,
        id: TaskId,
        task: &WishedTask,
        profile: &str,
    ) -> Result<Granted, Error> {
        let status: TaskStatus = task.status.parse()?;
        if task.assignee == profile {
            return Ok(Granted::Already(status));
        }
        if self.earnest == Earnest::Do {
            let now = tx.now().await?;
            tx.execute(&sql::REASSIGN, values![id, profile, now])
                .await?;
            let more = json!({ "was": task.assignee, "assignee": profile });
            self.tell(tx, id, EventKind::Reassigned, (status, status), more);
        }
        Ok(Granted::Moved(status))
    }

    /// Writes who, why, from where and to where.
    pub(super) fn tell(
        &self,
        tx: &mut Transaction,
        id: TaskId,
        kind: EventKind,
        (from, to): (TaskStatus, TaskStatus),
        more: Value,
    ) {
        let mut payload = json!({
            "by": self.by,
            "reason": self.reason,
            "from": from,
            "status": to,
        });
        if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
            payload.extend(more);
        }
        tx.event(id, None, kind, &payload);
    }
}

impl WishedTask {
    fn block(&self) -> Result<Option<(BlockKind, String)>, Error> {
        let kind = self.block_kind.as_deref().map(block_kind).transpose()?;
        Ok(kind.map(|kind| (kind, self.block_reason.clone().unwrap_or_default())))
    }
}

fn legal(task: TaskId, from: TaskStatus, by: Move, rest: Rest) -> Result<TaskStatus, Error> {
    let moved = from.after(by, rest);
    moved.map_err(|source| Error::Illegal { task, source })
}

/// Why a verb that ends a run makes no sense here, and which one does.
fn nothing_runs(id: TaskId, status: TaskStatus, verb: &str) -> String {
    let instead = match status {
        TaskStatus::Todo | TaskStatus::Scheduled | TaskStatus::Ready => {
            format!("`tenure pause {id}` keeps it from starting, `tenure cancel {id}` gives it up")
        }
        TaskStatus::Running => "wait until it runs".to_owned(),
        TaskStatus::Blocked => {
            format!("it waits for `tenure unblock {id}` or `tenure cancel {id}`")
        }
        TaskStatus::Done => "the work is done".to_owned(),
        TaskStatus::Cancelled => format!("`tenure retry {id}` brings it back"),
    };
    format!("it is {status}, and there is no run to {verb}: {instead}")
}
