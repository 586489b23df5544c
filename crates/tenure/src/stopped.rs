//! Which dispatchers of this host are stopped: their processes are there, hold what they hold, and do
//! nothing.

use std::collections::HashSet;

use tenure_store::DispatcherId;
use tenure_store::dispatcher::Dispatcher;
use tenure_warden::process::{Found, Process, known_host_id};

use crate::folders;

/// Those of these dispatchers whose process lives here and is stopped. What cannot be looked at counts
/// as going on.
pub fn among<'a>(dispatchers: impl Iterator<Item = &'a Dispatcher>) -> HashSet<DispatcherId> {
    // A host without an id ran nothing yet.
    let Some(host) = folders::state()
        .ok()
        .and_then(|state| known_host_id(&state).ok())
    else {
        return HashSet::new();
    };
    let stopped = dispatchers.filter(|one| is_stopped(one, &host));
    stopped.map(|one| one.id).collect()
}

fn is_stopped(dispatcher: &Dispatcher, host: &str) -> bool {
    let found = Process::find(&dispatcher.process, host).ok();
    let process = found.and_then(Found::alive);
    process.is_some_and(|process| process.is_stopped().unwrap_or(false))
}
