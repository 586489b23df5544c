//! `guard exec -- CMD…`: a warden by hand, over the worker whose identity the environment holds.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use tenure_guard::{Identity, NoIdentity, RunId};
use tenure_warden::{ByHand, exec_by_hand};

use crate::cli::Global;
use crate::failure::{Code, Failure};
use crate::folders;
use crate::output;
use crate::place::Place;

/// Starts the command where the task is still this worker's, else stands down.
pub fn run(global: &Global, command: Vec<OsString>) -> Result<ExitCode, Failure> {
    let identity = match Identity::from_env() {
        Ok(identity) => identity,
        Err(NoIdentity::StandDown(reason)) => {
            output::message(format_args!("stand down: {reason}"));
            tenure_guard::stand_down(&reason)
        }
        Err(error @ NoIdentity::NotAWorker) => return Err(Failure::new(Code::Usage, error)),
    };
    let place = Place::configured(global)?;
    let state_folder = folders::state()?;
    folders::make_private(&state_folder)?;
    let settings = ByHand {
        heartbeat_timeout: heartbeat_timeout(&place, identity.tenure.run),
        store: place.url,
        state_folder,
        lease: place.config.lease,
        kill_grace: place.config.kill_grace,
        finish_grace: place.config.finish_grace,
    };
    exec_by_hand(identity, command, &settings)
        .map_err(|error| Failure::io("the warden could not begin", error))
}

/// How long the run may be silent, as was decided when it was claimed. Where the store does not say
/// it will not grant the start either.
fn heartbeat_timeout(place: &Place, run: RunId) -> Option<Duration> {
    let look = async {
        match place.read().await? {
            Some(store) => {
                let run = store.run(run).await?;
                Ok(run
                    .limits
                    .known()
                    .and_then(|limits| limits.heartbeat_timeout))
            }
            None => Ok(None),
        }
    };
    super::block_on(look).ok().flatten()
}
