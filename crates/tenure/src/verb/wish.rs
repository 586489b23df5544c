//! What a person wants of a task: `cancel`, `stop`, `reclaim`, `block`, `unblock`, `retry`. Where it
//! runs, the verb waits for the fact.

use tenure_dispatcher::recover;
use tenure_guard::{RunId, TaskId};
use tenure_store::Store;
use tenure_store::life::{Ask, TaskStatus};
use tenure_store::person::{Granted, Wish};

use crate::cli::{Act, Ending, Global};
use crate::failure::{Code, Failure};
use crate::folders;
use crate::follow::Changes;
use crate::output;
use crate::place::{self, Place};
use crate::verb::list;

/// A wish that no run stands in the way of.
pub async fn at_once(global: &Global, args: Act, wish: Wish) -> Result<(), Failure> {
    let store = Place::find(global)?.change(args.id).await?;
    store.wish(args.id, wish, place::by(), args.reason).await?;
    place::poke(&store).await;
    report(&store, args.id).await.map(|_| ())
}

/// A wish that may have to wait for the end of a run.
pub async fn ending(global: &Global, args: Ending, wish: Wish) -> Result<(), Failure> {
    let wanted = ask(&wish);
    let store = Place::find(global)?.change(args.id).await?;
    let mut changes = Changes::of(&store).await;
    let granted = store.wish(args.id, wish, place::by(), args.reason).await?;
    place::poke(&store).await;
    let (run, standing) = match granted {
        Granted::Moved(_) => return report(&store, args.id).await.map(|_| ()),
        Granted::Asked { run, ask } => (run, ask),
    };
    if wanted != Some(standing) {
        output::message(format_args!(
            "tenure: run {run} was asked to {standing} before, and that stands"
        ));
    }
    if args.patience.no_wait {
        output::line(format!(
            "task {}: run {run} is asked to {standing}",
            args.id
        ))?;
        return if wanted == Some(standing) {
            Ok(())
        } else {
            Err(Failure::silent(Code::Refused))
        };
    }
    let ended = tokio::time::timeout(args.patience.timeout, ended(&store, run, &mut changes));
    match ended.await {
        Ok(ended) => ended?,
        Err(_) => {
            return Err(Failure::new(
                Code::Later,
                anyhow::anyhow!(
                    "run {run} is asked to {standing}, which stands, but it has not ended yet: `tenure wait {}` waits on",
                    args.id
                ),
            ));
        }
    }
    let status = report(&store, args.id).await?;
    match wanted {
        Some(wanted) if wanted != standing || !leads_to(wanted, status) => {
            Err(Failure::silent(Code::Refused))
        }
        Some(_) | None => Ok(()),
    }
}

/// Waits until a run has ended.
async fn ended(store: &Store, run: RunId, changes: &mut Changes) -> Result<(), Failure> {
    while store.run(run).await?.ended_at.is_none() {
        if !close_deserted(store, run).await? {
            changes.next().await;
        }
    }
    Ok(())
}

/// Where no dispatcher lives the warden carries out what was asked; where that is dead too, we close
/// the run ourselves. Whether we did.
async fn close_deserted(store: &Store, run: RunId) -> Result<bool, Failure> {
    let state = folders::state()?;
    // A host without an id ran nothing yet.
    let Ok(host_id) = tenure_warden::process::known_host_id(&state) else {
        return Ok(false);
    };
    if !store.is_shared() && !store.living_dispatchers().await?.is_empty() {
        return Ok(false);
    }
    let closed = recover::close_if_dead(store, &host_id, run).await?;
    Ok(closed.is_some())
}

/// Prints where the task stands now.
async fn report(store: &Store, task: TaskId) -> Result<TaskStatus, Failure> {
    let rows = store.tasks(&[task]).await?;
    let row = rows.first().ok_or(tenure_store::Error::NoSuchTask(task))?;
    output::line(format!("task {task} is {}", list::status(row)))?;
    Ok(row.status)
}

/// What a wish asks of a running run.
fn ask(wish: &Wish) -> Option<Ask> {
    match wish {
        Wish::Cancel => Some(Ask::Cancel),
        Wish::Stop => Some(Ask::Stop),
        Wish::Reclaim => Some(Ask::Reclaim),
        Wish::Block { .. } => Some(Ask::Block),
        Wish::Unblock | Wish::Retry => None,
    }
}

/// Whether an ask that was carried out can leave a task there. A reclaimed one may be anywhere
/// again: somebody may have claimed it already.
fn leads_to(ask: Ask, status: TaskStatus) -> bool {
    match ask {
        Ask::Cancel | Ask::Archive => status == TaskStatus::Cancelled,
        Ask::Stop | Ask::Block => status == TaskStatus::Blocked,
        Ask::Reclaim | Ask::Timeout | Ask::Silence | Ask::Shutdown => true,
    }
}
