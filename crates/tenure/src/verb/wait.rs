//! `wait`: until tasks are done, or cannot move without a person.

use std::collections::BTreeSet;

use serde::Serialize;
use tenure_guard::TaskId;
use tenure_store::Store;
use tenure_store::life::TaskStatus;
use tenure_store::read::TaskRow;

use crate::caller::Caller;
use crate::cli::{Global, Wait};
use crate::failure::{Code, Failure};
use crate::follow::Changes;
use crate::place::Place;
use crate::verb::list;
use crate::{escape, output};

/// Waits.
pub async fn run(global: &Global, args: &Wait) -> Result<(), Failure> {
    let store = Place::find(global)?.read_about(args.ids[0]).await?;
    let caller = Caller::of(global);
    let waiting = settled(&store, &args.ids, &caller);
    let rows = match args.timeout {
        None => waiting.await?,
        Some(patience) => {
            let Ok(rows) = tokio::time::timeout(patience, waiting).await else {
                print(&store.tasks(&args.ids).await?, args.json)?;
                return Err(Failure::new(
                    Code::Later,
                    anyhow::anyhow!("the time is over, and not every task has come to rest"),
                ));
            };
            rows?
        }
    };
    let printed = print(&rows, args.json);
    // Where the tasks stand counts for more than whether somebody reads it.
    if rows.iter().all(|row| row.status == TaskStatus::Done) {
        printed
    } else {
        Err(Failure::silent(Code::Failed))
    }
}

/// The tasks, as soon as none of them can move without a person.
async fn settled(store: &Store, ids: &[TaskId], caller: &Caller) -> Result<Vec<TaskRow>, Failure> {
    let mut changes = Changes::of(store).await;
    let mut warned = false;
    loop {
        let rows = store.tasks(ids).await?;
        if !any_can_move(store, &rows).await? {
            return Ok(rows);
        }
        if !changes.is_told() && !warned && store.living_dispatchers().await?.is_empty() {
            warned = true;
            output::message(format_args!(
                "tenure: no dispatcher lives, so nothing will move: start `{}`",
                caller.tenure("serve")
            ));
        }
        changes.next().await;
    }
}

async fn any_can_move(store: &Store, rows: &[TaskRow]) -> Result<bool, Failure> {
    for row in rows {
        let can_move = match row.status {
            TaskStatus::Done | TaskStatus::Blocked | TaskStatus::Cancelled => false,
            TaskStatus::Scheduled | TaskStatus::Ready | TaskStatus::Running => true,
            TaskStatus::Todo => !is_stuck(store, row.id).await?,
        };
        if can_move {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a parent, or a parent's parent, waits for a person.
async fn is_stuck(store: &Store, task: TaskId) -> Result<bool, Failure> {
    let mut walk = vec![task];
    let mut visited = BTreeSet::new();
    while let Some(task) = walk.pop() {
        if !visited.insert(task) {
            continue;
        }
        let parents = store.show(task).await?.parents.into_iter();
        for parent in parents.filter(|parent| parent.met_at.is_none()) {
            match parent.status {
                // It ended, but not as the task waits for.
                TaskStatus::Blocked | TaskStatus::Cancelled | TaskStatus::Done => return Ok(true),
                TaskStatus::Todo => walk.push(parent.id),
                TaskStatus::Scheduled | TaskStatus::Ready | TaskStatus::Running => {}
            }
        }
    }
    Ok(false)
}

/// `wait --json`
#[derive(Serialize)]
struct Shape<'a> {
    id: TaskId,
    status: TaskStatus,
    block_reason: Option<&'a str>,
}

impl<'a> Shape<'a> {
    fn of(row: &'a TaskRow) -> Self {
        Self {
            id: row.id,
            status: row.status,
            block_reason: row.block_reason.as_deref(),
        }
    }
}

fn print(rows: &[TaskRow], json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&rows.iter().map(Shape::of).collect::<Vec<_>>());
    }
    for row in rows {
        let reason = row.block_reason.as_deref().map(escape::line);
        let reason = reason
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        output::line(format!("task {} is {}{reason}", row.id, list::status(row)))?;
    }
    Ok(())
}
