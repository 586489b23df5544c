//! Whether somebody else lives under this host's id: a machine or a state folder that was copied with
//! it. Then neither could tell its own processes from the other's, and each would close the other's
//! runs.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tenure_store::dispatcher::Dispatcher;
use tenure_store::process::ProcessId;
use tenure_store::{DispatcherId, Store};

use crate::Error;

/// How often it is looked whether a sign of life came.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits until no living dispatcher has this host's id from another boot or pid namespace: one that
/// died just before a quick restart of its host is quiet, and forgotten after half a minute. Where
/// one gives a sign of life meanwhile, the id is a clone's.
pub(crate) async fn refuse(store: &Store, own: &ProcessId, state: &Path) -> Result<(), Error> {
    if !store.is_shared() {
        // The hold proved that nobody else dispatches.
        return Ok(());
    }
    let mut watched: Option<(DispatcherId, Timestamp)> = None;
    loop {
        let living = store.living_dispatchers().await?;
        let Some(twin) = living.iter().find(|other| is_twin(other, own)) else {
            return Ok(());
        };
        let seen = store.last_seen(twin.id).await?;
        match watched {
            Some((id, before)) if id == twin.id && seen > before => {
                return Err(Error::ClonedHost {
                    file: state.join("host-id"),
                    twin: format!("dispatcher {} on {}", twin.id, twin.host_name),
                });
            }
            Some((id, _)) if id == twin.id => {}
            Some(_) | None => {
                tracing::info!(
                    dispatcher.id = %twin.id, host.name = twin.host_name,
                    "another boot under this host's id was seen lately: waiting whether it lives",
                );
                watched = Some((twin.id, seen));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a dispatcher has our host's id and cannot be looked at from here.
fn is_twin(other: &Dispatcher, own: &ProcessId) -> bool {
    let other = &other.process;
    other.host_id == own.host_id
        && (other.boot_id != own.boot_id || other.pid_namespace != own.pid_namespace)
}
