//! What is proved of dispatchers and wardens on this very host by their processes: which dispatchers are
//! dead, although they gave a sign of life lately, and who is stopped, holds what it holds, and does
//! nothing.

use std::collections::HashSet;

use tenure_guard::RunId;
use tenure_store::dispatcher::Dispatcher;
use tenure_store::process::ProcessId;
use tenure_store::{DispatcherId, Error, Store};
use tenure_warden::process::{Found, Process, known_host_id};

use crate::folders;

/// Lets a store know which dispatchers are dead, before half a minute without a sign of life tells it.
pub fn count_out_the_dead(store: &Store) {
    if let Some(host) = host()
        && store.is_shared()
    {
        // Of an earlier boot under this host's id a clone could be, which lives.
        store.count_out(move |process| match Process::find(process, &host) {
            Ok(Found::Dead) => true,
            // Who waits to be reaped, perhaps by nobody, does nothing any more.
            Ok(Found::Alive(process)) => process.has_ended().unwrap_or(false),
            Ok(Found::EarlierBoot | Found::Elsewhere) | Err(_) => false,
        });
    }
}

/// Those of these dispatchers whose process lives here and is stopped. What cannot be looked at counts
/// as going on.
pub fn stopped<'a>(dispatchers: impl Iterator<Item = &'a Dispatcher>) -> HashSet<DispatcherId> {
    let Some(host) = host() else {
        return HashSet::new();
    };
    let stopped = dispatchers.filter(|one| is_stopped(&one.process, &host));
    stopped.map(|one| one.id).collect()
}

/// Whether the warden of an open run lives here and is stopped. What cannot be looked at counts as going
/// on.
///
/// # Errors
/// The store's.
pub async fn is_warden_stopped(store: &Store, run: RunId) -> Result<bool, Error> {
    let Some(host) = host() else {
        return Ok(false);
    };
    let mut open = store.open_runs().await?.into_iter();
    let warden = open
        .find(|one| one.tenure.run == run)
        .and_then(|one| one.warden);
    Ok(warden.is_some_and(|warden| is_stopped(&warden.process, &host)))
}

/// This host's id. A host without one ran nothing yet.
fn host() -> Option<String> {
    known_host_id(&folders::state().ok()?).ok()
}

fn is_stopped(process: &ProcessId, host: &str) -> bool {
    let found = Process::find(process, host).ok();
    let process = found.and_then(Found::alive);
    process.is_some_and(|process| process.is_stopped().unwrap_or(false))
}
