//! children: what the end of a task means to those that wait for it. Every way in which a task ends
//! tells them here, in the transaction in which it ends.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use crate::error::Error;
use crate::event::EventKind;
use crate::life::{LinkKind, Move, Rest, TaskEnd, TaskStatus, Told};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// Who says so where nobody asked for it.
const TENURE: &str = "tenure";

/// A child that waits for the task that ended.
#[derive(FromRow)]
struct Child {
    id: i64,
    status: String,
    pending_parents: i64,
    not_before: Option<i64>,
    kind: String,
    /// Whether it recurs and has not begun: then its time is decided upon, also where it is over.
    unbegun: i64,
}

/// Tells the children of a task how it ended (`run` is the run that ended it, where one did), and
/// answers those that this let go. A child that is not needed any more is cancelled, and its own
/// children are told of that. It costs the children of what ended, however many tasks there are.
///
/// **Invariant:** a task's `pending_parents` is the number of its links that are not met; a link that
/// was met stays so.
pub(crate) async fn tell_children(
    tx: &mut Transaction,
    parent: TaskId,
    end: TaskEnd,
    run: Option<RunId>,
) -> Result<Vec<TaskId>, Error> {
    let mut freed = Vec::new();
    let mut ended = vec![Ended { parent, end, run }];
    while let Some(task) = ended.pop() {
        let waiting = tx.fetch(&sql::CHILDREN_TO_TELL, values![task.parent]);
        let children: Vec<Child> = waiting.await?;
        for child in children {
            let kind: LinkKind = child.kind.parse()?;
            match kind.told(task.end) {
                Told::Met if task.meets(tx, &child).await? => freed.push(TaskId(child.id)),
                Told::NotNeeded if task.leaves_out(tx, &child).await? => ended.push(Ended {
                    parent: TaskId(child.id),
                    end: TaskEnd::Cancelled,
                    run: None,
                }),
                Told::Met | Told::Waiting | Told::NotNeeded => {}
            }
        }
    }
    freed.sort_unstable();
    Ok(freed)
}

/// A task that ended.
struct Ended {
    parent: TaskId,
    end: TaskEnd,
    run: Option<RunId>,
}

impl Ended {
    /// Lets a child wait for one parent less; whether that lets it go.
    async fn meets(&self, tx: &mut Transaction, child: &Child) -> Result<bool, Error> {
        let now = tx.now().await?;
        let id = TaskId(child.id);
        let pending = child.pending_parents - 1;
        let rest = Rest {
            waits_for_parents: pending > 0,
            waits_for_time: child.unbegun > 0 || child.not_before.is_some_and(|time| time > now),
        };
        let before: TaskStatus = child.status.parse()?;
        // A child that a person blocked or cancelled stays so, and still has one parent less.
        let status = before.after(Move::ParentsDone, rest).unwrap_or(before);
        tx.execute(&sql::MEET_LINK, values![self.parent, id, now])
            .await?;
        tx.execute(&sql::FREE_CHILD, values![id, pending, status, now])
            .await?;
        if status == before {
            return Ok(false);
        }
        let payload = json!({
            "parent": self.parent,
            "parent_run": self.run,
            "parent_end": self.end,
            "status": status,
        });
        tx.event(id, None, EventKind::ParentsDone, &payload);
        Ok(true)
    }

    /// Cancels a child that is not needed any more; whether it was there to be cancelled.
    async fn leaves_out(&self, tx: &mut Transaction, child: &Child) -> Result<bool, Error> {
        let now = tx.now().await?;
        let id = TaskId(child.id);
        let before: TaskStatus = child.status.parse()?;
        let rest = Rest {
            waits_for_parents: true,
            waits_for_time: false,
        };
        let Ok(status) = before.after(Move::NotNeeded, rest) else {
            return Ok(false);
        };
        tx.execute(&sql::LEAVE_OUT, values![id, status, now])
            .await?;
        let payload = json!({
            "by": TENURE,
            "reason": format!("not needed: it waits for task {} to be given up, which is {}", self.parent, self.end),
            "parent": self.parent,
            "from": before,
            "status": status,
        });
        tx.event(id, None, EventKind::Cancelled, &payload);
        Ok(true)
    }
}
