//! `settle`: after a true stop, ends what still runs and closes what is left, so that a stopped
//! service leaves nothing behind.
//!
//! It is a dispatcher that was told to end before its first look; what it takes up, proves and closes
//! is the dispatcher's to know. [`job`] tells a stop from a restart, [`owner`] keeps root's hands off
//! a service's files. What a closed run left is ended by [`left`], dispatcher or not.

mod job;
mod left;
mod owner;

use tenure_dispatcher::{Control, Instruction, Settings};
use tenure_guard::RunId;
use tenure_store::Store;
use tenure_store::orphan::Orphan;
use tenure_warden::process::{Found, Process};
use tokio::sync::{mpsc, oneshot};

use crate::cli::{Global, LogFormat, Settle};
use crate::failure::{Code, Failure};
use crate::place::{self, Place};
use crate::settings::settings;
use crate::{escape, logging, output};

/// Settles, unless the service manager is about to start the dispatcher again.
pub fn run(global: &Global, args: &Settle) -> Result<(), Failure> {
    logging::begin(LogFormat::Text, "warn", None)?;
    if let Some(run) = args.run {
        let place = Place::find(global)?;
        return super::block_on(left::end(&place, run));
    }
    if let Some(unit) = &args.unit {
        let result = std::env::var("SERVICE_RESULT").ok();
        let job = job::of(unit, args.user);
        if let job::Decision::Leave(why) = job::decide(&job, result.as_deref()) {
            return output::line(format!(
                "{unit}: {why}: its workers live on under their wardens"
            ));
        }
    }
    // The service's credentials are root's to read once it has ended; all else is the owner's.
    let place = Place::find(global)?;
    owner::become_owner()?;
    super::block_on(settle(&place))
}

async fn settle(place: &Place) -> Result<(), Failure> {
    if place.read().await?.is_none() {
        return output::line("there is no store yet, and so nothing to settle");
    }
    let store = place.open().await?;
    let hold = store.hold().await?;
    let settings = settings(&place.config, &store, None)?;
    refuse_where_served(&store, &settings).await?;
    let open = store.orphans(settings.id, &settings.host.id).await?;
    let (instructions, orders) = mpsc::unbounded_channel();
    // The other end is in our hands.
    let _ = instructions.send(Instruction::Stop(Control::Terminate));
    let (ready, _) = oneshot::channel();
    Box::pin(tenure_dispatcher::run(
        settings,
        store.clone(),
        hold,
        orders,
        ready,
    ))
    .await?;
    tell(&store, &open).await
}

/// Where several dispatchers may share a store, the hold does not say that one of this host lives.
async fn refuse_where_served(store: &Store, settings: &Settings) -> Result<(), Failure> {
    if !store.is_shared() {
        return Ok(());
    }
    for dispatcher in store.living_dispatchers().await? {
        let found = Process::find(&dispatcher.process, &settings.host.id)
            .map_err(|error| Failure::io(format!("dispatcher {}", dispatcher.id), error))?;
        if let Found::Alive(process) = found {
            return Err(Failure::refused(format!(
                "dispatcher {} (pid {}) serves this store on this host: stop that one first",
                dispatcher.id,
                process.id().pid
            )));
        }
    }
    Ok(())
}

/// Says what became of the runs that were open.
async fn tell(store: &Store, open: &[Orphan]) -> Result<(), Failure> {
    let mut left: Vec<RunId> = Vec::new();
    for orphan in open {
        let run = store.run(orphan.tenure.run).await?;
        match run.outcome {
            Some(outcome) => output::line(format!(
                "task {}, run {}: {outcome}: {}",
                run.task_id,
                run.run_id,
                escape::line(run.reason.as_deref().unwrap_or("-"))
            ))?,
            None => left.push(run.run_id),
        }
    }
    place::poke(store).await;
    if let [first, ..] = left.as_slice() {
        return Err(Failure::new(
            Code::Failed,
            anyhow::anyhow!(
                "{} of {} open runs could not be closed, run {first} the first: whether they are dead is not proved yet; settle again later",
                left.len(),
                open.len()
            ),
        ));
    }
    output::line(format!(
        "settled; open runs ended and closed: {}",
        open.len()
    ))
}
