//! `drain`: lets a dispatcher, or all of a host, take nothing new, finish its runs and leave, wherever
//! it is.

use std::time::Duration;

use tenure_store::dispatcher::Dispatcher;
use tenure_store::drain::Drained;
use tenure_store::{DispatcherId, Store};

use crate::cli::{Drain, Global};
use crate::failure::{Code, Failure};
use crate::follow::Changes;
use crate::place::{self, Place};
use crate::{escape, output};

/// Asks those that are meant, and waits until they have left.
pub async fn run(global: &Global, args: Drain) -> Result<(), Failure> {
    let Some(store) = Place::find(global)?.writable().await? else {
        return Err(nobody());
    };
    let meant = choose(store.living_dispatchers().await?, args.which.as_deref())?;
    let mut changes = Changes::of(&store).await;
    let mut waited_for: Vec<DispatcherId> = Vec::new();
    for dispatcher in &meant {
        if ask(&store, dispatcher, args.reason.clone()).await? {
            waited_for.push(dispatcher.id);
        }
    }
    place::poke(&store).await;
    if waited_for.is_empty() {
        return Err(gone(&meant));
    }
    if args.no_wait {
        return Ok(());
    }
    let left = leave(&store, &mut waited_for, &mut changes);
    let patience = args.timeout.unwrap_or(Duration::MAX);
    match tokio::time::timeout(patience, left).await {
        Ok(left) => left,
        Err(_) => Err(Failure::new(
            Code::Later,
            anyhow::anyhow!(
                "{} asked to drain, which stands, but its runs have not ended yet",
                listed(&waited_for)
            ),
        )),
    }
}

/// Asks one; whether it was still there.
async fn ask(
    store: &Store,
    dispatcher: &Dispatcher,
    reason: Option<String>,
) -> Result<bool, Failure> {
    let id = dispatcher.id;
    let asked = match store.drain(id, place::by(), reason).await? {
        Drained::Asked => "is asked",
        Drained::AskedBefore => "was asked before",
        Drained::Gone => return Ok(false),
    };
    let host = escape::line(&dispatcher.host_name);
    output::line(format!(
        "dispatcher {id} on {host} {asked} to drain: it takes nothing new, and leaves when its runs have ended"
    ))?;
    Ok(true)
}

/// Tells of each as it leaves, until none is left.
async fn leave(
    store: &Store,
    waited_for: &mut Vec<DispatcherId>,
    changes: &mut Changes,
) -> Result<(), Failure> {
    loop {
        let living = store.living_dispatchers().await?;
        let has_left = |id: &DispatcherId| living.iter().all(|one| one.id != *id);
        for id in waited_for.extract_if(.., |id| has_left(id)) {
            output::line(format!("dispatcher {id} has left"))?;
        }
        if waited_for.is_empty() {
            return Ok(());
        }
        changes.next().await;
    }
}

/// Those that are meant; where several live it must be said which.
fn choose(mut living: Vec<Dispatcher>, which: Option<&str>) -> Result<Vec<Dispatcher>, Failure> {
    if living.is_empty() {
        return Err(nobody());
    }
    let there_are = living
        .iter()
        .map(|one| format!("{} on {}", one.id, escape::line(&one.host_name)))
        .collect::<Vec<_>>()
        .join(", ");
    let Some(which) = which else {
        return match living.as_slice() {
            [_] => Ok(living),
            _ => Err(Failure::usage(format!(
                "several dispatchers live: say which of {there_are}, by its id or by the name of its host"
            ))),
        };
    };
    let id = which.parse().ok();
    living.retain(|one| Some(one.id) == id || one.host_name == which);
    let [first, others @ ..] = living.as_slice() else {
        return Err(Failure::new(
            Code::NoSuch,
            anyhow::anyhow!(
                "no living dispatcher has the id {which:?}, or is on a host of that name: there are {there_are}"
            ),
        ));
    };
    let host = &first.process.host_id;
    if others.iter().any(|one| one.process.host_id != *host) {
        return Err(Failure::usage(format!(
            "several hosts are called {which:?}: say which dispatcher of {there_are}"
        )));
    }
    Ok(living)
}

fn listed(ids: &[DispatcherId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    match ids.as_slice() {
        [only] => format!("dispatcher {only} is"),
        _ => format!("each of the dispatchers {} is", ids.join(", ")),
    }
}

fn gone(meant: &[Dispatcher]) -> Failure {
    let ids: Vec<String> = meant.iter().map(|one| one.id.to_string()).collect();
    Failure::refused(format!(
        "dispatcher {} has just left, or became another program: look who lives now, and ask that one",
        ids.join(", ")
    ))
}

fn nobody() -> Failure {
    Failure::refused("no dispatcher lives at this store: there is nothing to drain")
}
