//! `run FILE`: submit a task file, dispatch only that, show how it goes, and say what became of it.
//! Where a dispatcher serves the store already, this only submits and follows.

use std::convert::Infallible;
use std::time::Duration;

use tenure_dispatcher::{Control, Instruction, Settings};
use tenure_store::Store;
use tenure_store::dispatcher::{Dispatcher, Hold};
use tenure_store::life::TaskStatus;
use tokio::sync::{mpsc, oneshot};

use crate::batch::Batch;
use crate::caller::Caller;
use crate::cli::{Global, Run};
use crate::failure::{Code, Failure};
use crate::follow::Changes;
use crate::offered;
use crate::place::{self, Place};
use crate::progress::Progress;
use crate::settings::settings;
use crate::signals::{Caught, Manners, Meaning, Signals, Stopping};
use crate::summary::Summary;
use crate::task_file::TaskFile;
use crate::{logging, output};

/// How long a dispatcher that holds the store may take until it says what it serves.
const START_UP: Duration = Duration::from_secs(3);

/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// The least time between two looks at the batch, so that a fast batch is not slowed by being
/// watched.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs it.
pub fn run(global: &Global, args: &Run) -> Result<(), Failure> {
    let place = Place::find(global)?;
    let file = TaskFile::read(&args.file)?;
    let progress = Progress::of(file.tasks.len());
    let caller = Caller::of(global);
    logging::begin(args.log_format, "warn", Some(progress.bar()))?;
    super::block_on(async {
        let (store, mut batch) = carry_out(&place, &file, &progress, &caller).await?;
        batch.refresh(&store).await?;
        let outlook = batch.outlook(&store).await?;
        let summary = Summary::of(&store, &batch, &outlook).await?;
        let printed = if args.json {
            output::json(&summary)
        } else {
            output::bytes(summary.to_text().as_bytes())
        };
        // What became of the batch counts for more than whether somebody reads it.
        if summary.is_all_done() {
            return printed;
        }
        if batch.rows().any(|row| !outlook.waits_for_a_person(row.id)) {
            output::message(format_args!(
                "tenure: what is left stays in {}: `{}` goes on with it",
                place.url,
                caller.tenure("serve")
            ));
        }
        Err(Failure::silent(Code::Failed))
    })
}

/// Who dispatches.
enum Role {
    /// We do, for our batch.
    Own(Hold, Box<Settings>),
    /// Somebody else does, for the whole store.
    Guest,
}

async fn carry_out(
    place: &Place,
    file: &TaskFile,
    progress: &Progress,
    caller: &Caller,
) -> Result<(Store, Batch), Failure> {
    if place.read().await?.is_none() {
        // A typo in a profile's name should not leave a new store behind.
        file.check(&offered::by_configuration(&place.config))?;
    }
    let signals =
        Signals::catch().map_err(|error| Failure::io("signals cannot be caught", error))?;
    let store = place.open().await?;
    let role = role(place, &store).await?;
    let offered = match &role {
        Role::Own(..) => offered::by_configuration(&place.config),
        Role::Guest => offered::at(&store, &place.config).await?,
    };
    file.check(&offered)?;
    let submitted = super::submit::submit(&store, file).await?;
    let mut batch = Batch::of(&store, &submitted).await?;
    let ended = match role {
        Role::Own(hold, mut settings) => {
            settings.batch = Some(batch.id);
            Box::pin(dispatch(
                *settings, &store, hold, &mut batch, progress, signals,
            ))
            .await
        }
        Role::Guest => {
            place::poke(&store).await;
            follow(&store, &mut batch, progress, signals, caller).await
        }
    };
    // What came to rest last; the summary reads it again, so a failure here is no harm.
    let _ = look(&store, &mut batch, progress).await;
    progress.finish();
    ended.map(|()| (store, batch))
}

/// Becomes the dispatcher, or finds the one that is.
async fn role(place: &Place, store: &Store) -> Result<Role, Failure> {
    let serves_all = |one: &Dispatcher| one.batch.is_none();
    let since = tokio::time::Instant::now();
    loop {
        let living = store.living_dispatchers().await?;
        if living.iter().any(serves_all) {
            return Ok(Role::Guest);
        }
        match store.hold().await {
            Ok(hold) => {
                let settings = settings(&place.config, store, None)?;
                return Ok(Role::Own(hold, Box::new(settings)));
            }
            // It may be starting up still, and not have said what it serves.
            Err(tenure_store::Error::Held(_))
                if living.is_empty() && since.elapsed() < START_UP =>
            {
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Dispatches the batch in this process.
async fn dispatch(
    settings: Settings,
    store: &Store,
    hold: Hold,
    batch: &mut Batch,
    progress: &Progress,
    signals: Signals,
) -> Result<(), Failure> {
    let (control, orders) = mpsc::unbounded_channel();
    let (ready, is_ready) = oneshot::channel();
    let dispatcher = tenure_dispatcher::run(settings, store.clone(), hold, orders, ready);
    let watching = async {
        // Before it listens there is nobody to follow.
        let _ = is_ready.await;
        watch(store, batch, progress).await
    };
    let obeying = obey(signals, &control, progress);
    tokio::select! {
        finished = dispatcher => finished.map(|_| ()).map_err(Failure::from),
        never = watching => match never {},
        never = obeying => match never {},
    }
}

/// Passes on what signals mean, and says it.
async fn obey(
    mut signals: Signals,
    instructions: &mpsc::UnboundedSender<Instruction>,
    progress: &Progress,
) -> Infallible {
    let mut stopping = Stopping::new(Manners::Command);
    loop {
        let meant = stopping.on(signals.next().await);
        progress.say(consequence(meant));
        if let Some(Meaning::Stop(control)) = meant {
            // A dispatcher that is gone already needs no word.
            let _ = instructions.send(Instruction::Stop(control));
        }
    }
}

fn consequence(meant: Option<Meaning>) -> &'static str {
    match meant {
        Some(Meaning::Stop(control)) => consequence_of(control),
        Some(Meaning::Reload | Meaning::Upgrade) | None => "this signal means nothing here",
    }
}

fn consequence_of(control: Control) -> &'static str {
    match control {
        Control::Drain => "draining: what runs may finish; Ctrl-C again ends it",
        Control::Terminate => "ending the runs; their tasks stay ready; Ctrl-C again kills them",
        Control::Kill => "killing the runs; their tasks stay ready",
        Control::Detach => "leaving the runs to their wardens",
    }
}

/// Shows how it goes for as long as somebody asks.
async fn watch(store: &Store, batch: &mut Batch, progress: &Progress) -> Infallible {
    let mut changes = Changes::of(store).await;
    loop {
        // A look that fails is no harm: the dispatcher knows the store's state by itself.
        let _ = look(store, batch, progress).await;
        tokio::time::sleep(PAUSE).await;
        changes.next().await;
    }
}

async fn look(store: &Store, batch: &mut Batch, progress: &Progress) -> Result<(), Failure> {
    let before = batch.resting().len();
    let rested = batch.refresh(store).await?;
    for (index, id) in rested.iter().enumerate() {
        if let Some(row) = batch.row(*id) {
            progress.rested(row, before + index + 1, batch.len());
        }
    }
    progress.running(batch.rows());
    Ok(())
}

/// Looks, and says whether only people can move what is left.
async fn rests(store: &Store, batch: &mut Batch, progress: &Progress) -> Result<bool, Failure> {
    look(store, batch, progress).await?;
    if batch.rows().any(|row| row.status == TaskStatus::Running) {
        return Ok(false);
    }
    let outlook = batch.outlook(store).await?;
    Ok(batch.rows().all(|row| outlook.waits_for_a_person(row.id)))
}

/// Watches what another dispatcher does with the batch.
async fn follow(
    store: &Store,
    batch: &mut Batch,
    progress: &Progress,
    mut signals: Signals,
    caller: &Caller,
) -> Result<(), Failure> {
    let mut changes = Changes::of(store).await;
    let mut was_served = true;
    loop {
        match rests(store, batch, progress).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The tasks go on without us, so a store that is busy for a while is worth waiting for.
            Err(failure) if failure.code == Code::Later => progress.say(&failure.message()),
            Err(failure) => return Err(failure),
        }
        let is_served = changes.is_told() || is_served_elsewhere(store).await;
        if was_served && !is_served {
            let serve = caller.tenure("serve");
            progress.say(&format!(
                "no dispatcher lives any more: start `{serve}`, and this goes on"
            ));
        }
        was_served = is_served;
        tokio::select! {
            () = changes.next() => {}
            Caught::Interrupt | Caught::Terminate | Caught::Hangup = signals.next() => {
                progress.say("no longer following; the tasks go on");
                return Ok(());
            }
        }
    }
}

/// Whether a dispatcher lives that cannot be followed from here; one that is not known of may.
async fn is_served_elsewhere(store: &Store) -> bool {
    let living = store.living_dispatchers().await;
    living.map_or(true, |living| !living.is_empty())
}
