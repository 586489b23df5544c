//! `drain`: lets a dispatcher take nothing new, finish its runs and leave, wherever it is.

use std::time::Duration;

use tenure_store::dispatcher::Dispatcher;
use tenure_store::drain::Drained;
use tenure_store::{DispatcherId, Store};

use crate::cli::{Drain, Global};
use crate::failure::{Code, Failure};
use crate::follow::Changes;
use crate::place::{self, Place};
use crate::{escape, output};

/// Asks it, and waits until it has left.
pub async fn run(global: &Global, args: Drain) -> Result<(), Failure> {
    let Some(store) = Place::find(global)?.writable().await? else {
        return Err(nobody());
    };
    let dispatcher = choose(store.living_dispatchers().await?, args.id)?;
    let id = dispatcher.id;
    let mut changes = Changes::of(&store).await;
    let asked = match store.drain(id, place::by(), args.reason).await? {
        Drained::Asked => "is asked",
        Drained::AskedBefore => "was asked before",
        Drained::Gone => return Err(gone(id)),
    };
    place::poke(&store).await;
    let host = escape::line(&dispatcher.host_name);
    output::line(format!(
        "dispatcher {id} on {host} {asked} to drain: it takes nothing new, and leaves when its runs have ended"
    ))?;
    if args.no_wait {
        return Ok(());
    }
    let left = left(&store, id, &mut changes);
    let patience = args.timeout.unwrap_or(Duration::MAX);
    match tokio::time::timeout(patience, left).await {
        Ok(left) => left?,
        Err(_) => {
            return Err(Failure::new(
                Code::Later,
                anyhow::anyhow!(
                    "dispatcher {id} is asked to drain, which stands, but its runs have not ended yet"
                ),
            ));
        }
    }
    output::line(format!("dispatcher {id} has left"))
}

async fn left(store: &Store, id: DispatcherId, changes: &mut Changes) -> Result<(), Failure> {
    while store
        .living_dispatchers()
        .await?
        .iter()
        .any(|living| living.id == id)
    {
        changes.next().await;
    }
    Ok(())
}

/// The one that is meant; where several live it must be said which.
fn choose(mut living: Vec<Dispatcher>, id: Option<DispatcherId>) -> Result<Dispatcher, Failure> {
    let there_are = living
        .iter()
        .map(|one| format!("{} on {}", one.id, one.host_name))
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(id) = id {
        living.retain(|one| one.id == id);
        return living.pop().ok_or_else(|| match there_are.as_str() {
            "" => nobody(),
            there_are => Failure::new(
                Code::NoSuch,
                anyhow::anyhow!("no living dispatcher has the id {id}: there are {there_are}"),
            ),
        });
    }
    match (living.pop(), living.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Failure::usage(format!(
            "several dispatchers live: say which of {there_are}"
        ))),
        (None, _) => Err(nobody()),
    }
}

fn gone(id: DispatcherId) -> Failure {
    Failure::refused(format!(
        "dispatcher {id} has just left, or became another program: look who lives now, and ask that one"
    ))
}

fn nobody() -> Failure {
    Failure::refused("no dispatcher lives at this store: there is nothing to drain")
}
