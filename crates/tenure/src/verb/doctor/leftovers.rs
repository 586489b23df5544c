//! What closed runs left: processes that still carry a run of this store in their environment.

use std::fs;
use std::path::Path;

use tenure_guard::{RunId, env};
use tenure_store::Store;

use super::Finding;

const CHECK: &str = "leftovers";

/// So many are named; more would be no more telling.
const NAMED: usize = 10;

/// Looks through all processes that we may look at.
pub async fn look(store: &Store) -> Vec<Finding> {
    let Ok(state) = crate::folders::state() else {
        return Vec::new();
    };
    let folder = crate::folders::of_store(&state, store.instance());
    let mut left = Vec::new();
    for (pid, run) in carriers(&folder) {
        let is_closed = store.run(run).await.is_ok_and(|run| run.ended_at.is_some());
        // It may have ended since, as its run did.
        if is_closed && carries(&format!("/proc/{pid}/environ"), &folder) == Some(run) {
            left.push(format!("process {pid} of run {run}"));
        }
    }
    if left.is_empty() {
        return vec![Finding::ok(CHECK, "no closed run left a process")];
    }
    let more = left.len().saturating_sub(NAMED);
    left.truncate(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    vec![Finding::problem(
        CHECK,
        format!("{}{more} lives although the run is closed", left.join(", ")),
        "it may still act on what another run of its task works on",
        "look what it does, and end it; whether its run says `tree_unverified` tells how it got away",
    )]
}

/// Processes that carry a run of this store.
fn carriers(folder: &Path) -> Vec<(i32, RunId)> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, carries(&format!("/proc/{pid}/environ"), folder)?))
        })
        .collect()
}

/// The run in an environment, where it is one of the store with this folder.
fn carries(environ: &str, folder: &Path) -> Option<RunId> {
    let bytes = fs::read(environ).ok()?;
    let value = |name: &str| {
        bytes.split(|byte| *byte == 0).find_map(|variable| {
            let text = std::str::from_utf8(variable).ok()?;
            text.strip_prefix(name)?.strip_prefix('=')
        })
    };
    // The context lies in the run's folder, wherever a long path has put the socket.
    Path::new(value(env::CONTEXT)?)
        .starts_with(folder)
        .then_some(())?;
    value(env::RUN_ID)?.parse().ok().map(RunId)
}
