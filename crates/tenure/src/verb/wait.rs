//! `wait`: until tasks are done, or cannot move without a person.

use serde::Serialize;
use tenure_guard::TaskId;
use tenure_store::Store;
use tenure_store::life::TaskStatus;
use tenure_store::read::{Outlook, TaskRow};

use crate::caller::Caller;
use crate::cli::{Global, Wait};
use crate::failure::{Code, Failure};
use crate::follow::Changes;
use crate::place::Place;
use crate::verb::list;
use crate::{escape, output, standstill};

/// Waits.
pub async fn run(global: &Global, args: &Wait) -> Result<(), Failure> {
    let store = Place::find(global)?.read_about(args.ids[0]).await?;
    let caller = Caller::of(global);
    let waiting = settled(&store, &args.ids, &caller);
    let seen = match args.timeout {
        None => waiting.await?,
        Some(patience) => {
            let Ok(seen) = tokio::time::timeout(patience, waiting).await else {
                print(&look(&store, &args.ids).await?, args.json)?;
                return Err(Failure::new(
                    Code::Later,
                    anyhow::anyhow!("the time is over, and not every task has come to rest"),
                ));
            };
            seen?
        }
    };
    let printed = print(&seen, args.json);
    // Where the tasks stand counts for more than whether somebody reads it.
    if seen.rows.iter().all(|row| row.status == TaskStatus::Done) {
        printed
    } else {
        Err(Failure::silent(Code::Failed))
    }
}

/// The tasks as they were seen.
struct Seen {
    rows: Vec<TaskRow>,
    outlook: Outlook,
}

async fn look(store: &Store, ids: &[TaskId]) -> Result<Seen, Failure> {
    Ok(Seen {
        outlook: store.outlook(None, ids).await?,
        rows: store.tasks(ids).await?,
    })
}

/// The tasks, as soon as none of them can move without a person.
async fn settled(store: &Store, ids: &[TaskId], caller: &Caller) -> Result<Seen, Failure> {
    let mut changes = Changes::of(store).await;
    let mut warned = false;
    loop {
        let seen = look(store, ids).await?;
        let mut ids = ids.iter().copied();
        if ids.clone().all(|id| seen.outlook.waits_for_a_person(id)) {
            return Ok(seen);
        }
        if !warned && let Some(why) = ids.find_map(|id| lack(&seen.outlook, id)) {
            warned = true;
            output::message(format_args!(
                "tenure: {why}: start `{}`",
                caller.tenure("serve")
            ));
        }
        changes.next().await;
    }
}

/// What a dispatcher would mend.
fn lack(outlook: &Outlook, task: TaskId) -> Option<String> {
    if outlook.waits_for_a_person(task) {
        None
    } else if outlook.is_deserted() {
        Some("no dispatcher lives, so nothing new will start".to_owned())
    } else if outlook.moves(task) {
        None
    } else {
        let why = standstill::words(outlook, task).unwrap_or_default();
        Some(format!("task {task} will not move: {why}"))
    }
}

/// `wait --json`
#[derive(Serialize)]
struct Shape<'a> {
    id: TaskId,
    status: TaskStatus,
    block_reason: Option<&'a str>,
    /// What else keeps it, in words.
    why: Option<String>,
}

impl<'a> Shape<'a> {
    fn of(row: &'a TaskRow, outlook: &Outlook) -> Self {
        Self {
            id: row.id,
            status: row.status,
            block_reason: row.block_reason.as_deref(),
            why: standstill::words(outlook, row.id),
        }
    }
}

fn print(Seen { rows, outlook }: &Seen, json: bool) -> Result<(), Failure> {
    if json {
        let shapes = rows.iter().map(|row| Shape::of(row, outlook));
        return output::json(&shapes.collect::<Vec<_>>());
    }
    for row in rows {
        let reason = row.block_reason.as_deref().map(escape::line);
        let reason = reason
            .or_else(|| standstill::words(outlook, row.id))
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        output::line(format!("task {} is {}{reason}", row.id, list::status(row)))?;
    }
    Ok(())
}
