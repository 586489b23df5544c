//! Ends what is left on this host of a run that is closed: it has no claim to anything any more.

use tenure_guard::RunId;
use tenure_store::Error;
use tenure_warden::process::known_host_id;

use crate::failure::{Code, Failure};
use crate::place::Place;
use crate::{carriers, folders, output};

/// Kills every process that carries the run, and says which.
pub async fn end(place: &Place, run: RunId) -> Result<(), Failure> {
    let store = place.read().await?.ok_or(Error::NoSuchRun(run))?;
    match store.run(run).await {
        Ok(view) if view.ended_at.is_none() => {
            return Err(Failure::refused(format!(
                "run {run} is open: `tenure reclaim {}` or `tenure cancel {}` ends it",
                view.task_id, view.task_id
            )));
        }
        // A store that was restored from an older copy knows nothing of it.
        Ok(_) | Err(Error::NoSuchRun(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let state = folders::state()?;
    let host = known_host_id(&state).map_err(|error| Failure::io("this host has no id", error))?;
    let folder = folders::of_store(&state, store.instance());
    let ended = carriers::end(&folder, run, &host)
        .map_err(|error| Failure::io(format!("what run {run} left cannot be ended"), error))?;
    let words = |pids: &[i32]| {
        let pids: Vec<String> = pids.iter().map(i32::to_string).collect();
        pids.join(", ")
    };
    let (killed, left) = ended;
    if !left.is_empty() {
        let left = words(&left);
        return Err(Failure::new(
            Code::Failed,
            anyhow::anyhow!(
                "processes {left} of run {run} survive SIGKILL: they hang in the kernel"
            ),
        ));
    }
    if killed.is_empty() {
        return output::line(format!("nothing here carries run {run}"));
    }
    output::line(format!("run {run}: killed {}", words(&killed)))
}
