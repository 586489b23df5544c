//! What a new task waits for: its parents, and how each of them stands.

use sqlx::FromRow;
use tenure_guard::TaskId;
use tenure_guard::wire::Added;

use crate::error::Error;
use crate::life::{LinkKind, TaskEnd, Told};
use crate::moved::block_kind;
use crate::sql;
use crate::task::{NewTask, Parent};
use crate::transaction::Transaction;
use crate::value::values;

#[derive(FromRow)]
struct ParentStanding {
    status: String,
    block_kind: Option<String>,
}

/// What a new task waits for, or would have waited for.
pub(super) struct Link {
    pub(super) parent: TaskId,
    pub(super) kind: LinkKind,
    /// When the parent was found to have ended as the link asks.
    pub(super) met_at: Option<i64>,
}

/// The parents of a task by their ids, each once, and how it waits for them.
pub(super) fn resolve(
    task: &NewTask,
    added: &[Option<Added>],
) -> Result<Vec<(TaskId, LinkKind)>, Error> {
    let mut parents: Vec<(TaskId, LinkKind)> = task
        .parents()
        .filter_map(|(parent, kind)| match parent {
            Parent::Task(id) => Some((id, kind)),
            // Parents are added first.
            Parent::Sibling(place) => added[place].map(|added| (added.id, kind)),
        })
        .collect();
    parents.sort_unstable();
    parents.dedup();
    // A sibling may be a task that was there already, under its key.
    match parents.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Error::Invalid(format!(
            "task {} is named by two of after, after_any_end and after_failure: keep one of them",
            pair[0].0
        ))),
        None => Ok(parents),
    }
}

/// How each parent stands to the new task, each held until the task is written.
pub(super) async fn links(
    tx: &mut Transaction,
    parents: &[(TaskId, LinkKind)],
) -> Result<Vec<Link>, Error> {
    let now = tx.now().await?;
    let mut links = Vec::with_capacity(parents.len());
    for (parent, kind) in parents.iter().copied() {
        let found = tx.fetch_one::<ParentStanding>(&sql::PARENT, values![parent]);
        let standing = found.await?.ok_or(Error::NoSuchTask(parent))?;
        let block = standing.block_kind.as_deref().map(block_kind);
        let end = TaskEnd::of(standing.status.parse()?, block.transpose()?);
        let met_at = match end.map(|end| kind.told(end)) {
            Some(Told::Met) => Some(now),
            Some(Told::Waiting) | None => None,
            Some(Told::NotNeeded) => {
                return Err(Error::Refused {
                    task: parent,
                    why: format!(
                        "it is {} already, so a task that waits for it to be given up would never run: leave that out",
                        standing.status
                    ),
                });
            }
        };
        links.push(Link {
            parent,
            kind,
            met_at,
        });
    }
    Ok(links)
}
