//! `explain`: why a task stands where it stands, why its runs ended so, and what to do next.

use crate::caller::Caller;
use crate::cli::{Global, One};
use crate::explain::{Seen, explain, page};
use crate::failure::Failure;
use crate::place::Place;
use crate::{here, log_tail, output};

/// Explains.
pub async fn run(global: &Global, args: &One) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let store = place.read_about(args.id).await?;
    let situation = store.situation(args.id).await?;
    let log = situation.runs.first().and_then(|run| run.log.as_deref());
    let dispatchers = situation.dispatchers.iter();
    let is_warden_stopped = match situation.task.current_run_id {
        Some(run) => here::is_warden_stopped(&store, run).await?,
        None => false,
    };
    let seen = Seen {
        own: place.config.published(),
        stopped: here::stopped(dispatchers.map(|one| &one.dispatcher)),
        is_warden_stopped,
        log_tail: log.map(log_tail::read).unwrap_or_default(),
    };
    let caller = Caller::of(global);
    let explanation = explain(&situation, seen).for_caller(&caller);
    if args.json {
        output::json(&explanation)
    } else {
        output::bytes(page::text(&explanation, &caller).as_bytes())
    }
}
