//! children: what the end of a task means to those that wait for it. Every way in which a task ends
//! tells them here, in the transaction in which it ends. However many they are, it is a handful of
//! statements, because a parent of ten thousand must end within the deadline of a call, too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use crate::connection::Number;
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{LinkKind, Move, Rest, TaskEnd, TaskStatus, Told};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// Who says so where nobody asked for it.
const TENURE: &str = "tenure";

/// Tasks that came to the same end.
pub(crate) struct Ended {
    pub(crate) parents: Vec<TaskId>,
    pub(crate) end: TaskEnd,
    /// The run that ended it, where one did.
    pub(crate) run: Option<RunId>,
}

/// Tells the children of tasks how those ended, and answers which of them this let go. A child that
/// is not needed any more is cancelled, and its own children are told of that. It costs the children
/// of what ended, however many tasks there are.
///
/// **Invariant:** a task's `pending_parents` is the number of its links that are not met. Whoever
/// changes links holds their child, and sets the number from the links once they are written. A link
/// that was met stays so.
pub(crate) async fn tell_children(
    tx: &mut Transaction,
    ended: Ended,
) -> Result<Vec<TaskId>, Error> {
    let mut freed = Vec::new();
    let mut wave = Some(ended);
    while let Some(ended) = wave.take() {
        let parents = serde_json::to_string(&ended.parents)?;
        let held = tx.fetch(&sql::HOLD_CHILDREN, values![parents.as_str()]);
        let held: Vec<Number> = held.await?;
        if held.is_empty() {
            break;
        }
        let links = tx.fetch(&sql::CHILDREN_TO_TELL, values![parents.as_str()]);
        let links: Vec<Link> = links.await?;
        let told = ended.told(&links, tx.now().await?)?;
        freed.extend(ended.meet(tx, &parents, told.met).await?);
        wave = ended.leave_out(tx, told.not_needed).await?;
    }
    freed.sort_unstable();
    Ok(freed)
}

/// A link that is not met, and its child.
#[derive(FromRow)]
struct Link {
    parent_id: i64,
    kind: String,
    id: i64,
    status: String,
    not_before: Option<i64>,
    /// How many links of the child are not met.
    unmet: i64,
    /// Whether it recurs and has not begun: then its time is decided upon, also where it is over.
    unbegun: i64,
}

/// What an end means to all who wait.
#[derive(Default)]
struct Tidings {
    met: Met,
    /// Children that nobody wants any more, in the order of their ids.
    not_needed: Vec<Child>,
}

/// Links that the end meets.
#[derive(Default)]
struct Met {
    kinds: BTreeSet<LinkKind>,
    /// The children by where they stand from now on.
    children: BTreeMap<TaskStatus, Vec<Child>>,
}

/// A child, the last of the parents that tell it something, and where it stood before.
#[derive(Clone, Copy)]
struct Child {
    id: TaskId,
    parent: TaskId,
    from: TaskStatus,
}

impl Ended {
    /// One task that ended.
    pub(crate) fn one(parent: TaskId, end: TaskEnd, run: Option<RunId>) -> Self {
        Self {
            parents: vec![parent],
            end,
            run,
        }
    }

    /// Decides what becomes of the children; writes nothing. The links come by child.
    fn told(&self, links: &[Link], now: i64) -> Result<Tidings, Error> {
        let mut tidings = Tidings::default();
        for of_child in links.chunk_by(|one, other| one.id == other.id) {
            let mut met = Vec::new();
            let mut vain = None;
            for link in of_child {
                let kind: LinkKind = link.kind.parse()?;
                match kind.told(self.end) {
                    Told::Met => {
                        tidings.met.kinds.insert(kind);
                        met.push(link);
                    }
                    Told::NotNeeded => vain = Some(link),
                    Told::Waiting => {}
                }
            }
            if let Some(last) = met.last() {
                let unmet = last.unmet - i64::try_from(met.len()).unwrap_or(i64::MAX);
                let status = last.without_parents(unmet, now)?;
                let children = tidings.met.children.entry(status).or_default();
                children.push(last.child()?);
            }
            if let Some(link) = vain {
                tidings.not_needed.push(link.child()?);
            }
        }
        Ok(tidings)
    }

    /// Lets children wait for fewer parents; answers those that this lets go.
    async fn meet(
        &self,
        tx: &mut Transaction,
        parents: &str,
        met: Met,
    ) -> Result<Vec<TaskId>, Error> {
        let now = tx.now().await?;
        for kind in met.kinds {
            tx.execute(&sql::MEET_LINKS, values![parents, kind, now])
                .await?;
        }
        let mut freed = Vec::new();
        for (status, children) in met.children {
            let ids: Vec<TaskId> = children.iter().map(|child| child.id).collect();
            let ids = serde_json::to_string(&ids)?;
            tx.execute(&sql::FREE_CHILDREN, values![ids, status, now])
                .await?;
            for child in children.iter().filter(|child| child.from != status) {
                let payload = json!({
                    "parent": child.parent,
                    "parent_run": self.run,
                    "parent_end": self.end,
                    "status": status,
                });
                tx.event(child.id, None, EventKind::ParentsDone, &payload);
                freed.push(child.id);
            }
        }
        Ok(freed)
    }

    /// Cancels children that are not needed any more, where they are there to be cancelled; that is
    /// an end of its own.
    async fn leave_out(
        &self,
        tx: &mut Transaction,
        children: Vec<Child>,
    ) -> Result<Option<Self>, Error> {
        let now = tx.now().await?;
        let status = TaskStatus::Cancelled;
        let mut left_out = Vec::new();
        for child in children {
            let rest = Rest {
                waits_for_parents: true,
                waits_for_time: false,
            };
            if child.from.after(Move::NotNeeded, rest) != Ok(status) {
                continue;
            }
            left_out.push(child.id);
            let reason = format!(
                "not needed: it waits for task {} to be given up, which is {}",
                child.parent, self.end
            );
            let payload = json!({
                "by": TENURE,
                "reason": reason,
                "parent": child.parent,
                "from": child.from,
                "status": status,
            });
            tx.event(child.id, None, EventKind::Cancelled, &payload);
        }
        if left_out.is_empty() {
            return Ok(None);
        }
        let ids = serde_json::to_string(&left_out)?;
        tx.execute(&sql::LEAVE_OUT, values![ids, status, now])
            .await?;
        Ok(Some(Self {
            parents: left_out,
            end: TaskEnd::Cancelled,
            run: None,
        }))
    }
}

impl Link {
    fn child(&self) -> Result<Child, Error> {
        Ok(Child {
            id: TaskId(self.id),
            parent: TaskId(self.parent_id),
            from: self.status.parse()?,
        })
    }

    /// Where the child stands with so many links left. One that a person blocked or cancelled stays
    /// so, and still waits for fewer.
    fn without_parents(&self, unmet: i64, now: i64) -> Result<TaskStatus, Error> {
        let rest = Rest {
            waits_for_parents: unmet > 0,
            waits_for_time: self.unbegun > 0 || self.not_before.is_some_and(|time| time > now),
        };
        let before: TaskStatus = self.status.parse()?;
        Ok(before.after(Move::ParentsDone, rest).unwrap_or(before))
    }
}
