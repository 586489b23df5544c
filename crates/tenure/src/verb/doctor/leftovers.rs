//! What closed runs left: processes that still carry a run of this store in their environment.

use tenure_store::Store;

use super::Finding;
use crate::carriers::{carried, carriers};

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
    for carrier in carriers(&folder) {
        let (pid, run) = (carrier.pid, carrier.run);
        let is_closed = store.run(run).await.is_ok_and(|run| run.ended_at.is_some());
        // It may have ended since, as its run did.
        if is_closed && carried(pid, &folder) == Some(run) {
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
        "look what it does, and end it: `tenure diagnose` names the command for each run",
    )]
}
