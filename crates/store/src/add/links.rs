//! What a new task waits for: its parents, and how each of them stands.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;
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
    id: i64,
    status: String,
    block_kind: Option<String>,
}

/// What a new task waits for, or would have waited for.
pub(super) struct Link {
    pub(super) parent: Parent,
    pub(super) kind: LinkKind,
    /// When the parent was found to have ended as the link asks.
    pub(super) met_at: Option<i64>,
}

/// The parents of a task, each once, and how it waits for them: by their ids, but siblings that are yet
/// to be written.
pub(super) fn resolve(
    task: &NewTask,
    added: &[Option<Added>],
) -> Result<Vec<(Parent, LinkKind)>, Error> {
    let mut parents: Vec<(Parent, LinkKind)> = task
        .parents()
        .map(|(parent, kind)| match parent {
            Parent::Task(_) => (parent, kind),
            // A sibling may be a task that was there already, under its key.
            Parent::Sibling(place) => match added[place] {
                Some(added) => (Parent::Task(added.id), kind),
                None => (parent, kind),
            },
        })
        .collect();
    parents.sort_unstable();
    parents.dedup();
    match parents.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some([(Parent::Task(id), _), ..]) => Err(Error::Invalid(format!(
            "task {id} is named by two of after, after_any_end and after_failure: keep one of them"
        ))),
        // Of siblings it was told before.
        Some(_) | None => Ok(parents),
    }
}

/// How parents that are there stand, each held until what waits for it is written.
pub(super) struct Standings(HashMap<TaskId, ParentStanding>);

impl Standings {
    pub(super) async fn of<'a>(
        tx: &mut Transaction,
        parents: impl Iterator<Item = &'a (Parent, LinkKind)>,
    ) -> Result<Self, Error> {
        let ids: BTreeSet<TaskId> = parents
            .filter_map(|(parent, _)| match parent {
                Parent::Task(id) => Some(*id),
                Parent::Sibling(_) => None,
            })
            .collect();
        if ids.is_empty() {
            return Ok(Self(HashMap::new()));
        }
        let asked = values![json!(ids).to_string()];
        let rows: Vec<ParentStanding> = tx.fetch(&sql::PARENT_STANDINGS, asked).await?;
        let by_id = rows.into_iter().map(|row| (TaskId(row.id), row));
        Ok(Self(by_id.collect()))
    }
}

/// How a new task waits for its parents.
pub(super) fn links(
    parents: &[(Parent, LinkKind)],
    standings: &Standings,
    now: i64,
) -> Result<Vec<Link>, Error> {
    parents
        .iter()
        .map(|(parent, kind)| {
            let met_at = match parent {
                // It is as new as its child.
                Parent::Sibling(_) => None,
                Parent::Task(id) => met_at(*id, *kind, standings, now)?,
            };
            Ok(Link {
                parent: *parent,
                kind: *kind,
                met_at,
            })
        })
        .collect()
}

fn met_at(
    parent: TaskId,
    kind: LinkKind,
    standings: &Standings,
    now: i64,
) -> Result<Option<i64>, Error> {
    let standing = standings.0.get(&parent).ok_or(Error::NoSuchTask(parent))?;
    let block = standing.block_kind.as_deref().map(block_kind);
    let end = TaskEnd::of(standing.status.parse()?, block.transpose()?);
    match end.map(|end| kind.told(end)) {
        Some(Told::Met) => Ok(Some(now)),
        Some(Told::Waiting) | None => Ok(None),
        Some(Told::NotNeeded) => Err(Error::Refused {
            task: parent,
            why: format!(
                "it is {} already, so a task that waits for it to be given up would never run: leave that out",
                standing.status
            ),
        }),
    }
}
