//! The loop: waits for whatever comes first, lets the core decide, lets the edge act.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use tenure_store::Store;
use tenure_store::claim::Offer;
use tenure_store::dispatcher::{Dispatcher, Hold};
use tenure_store::orphan::MARGIN;
use tenure_warden::cgroup::Cgroups;
use tenure_warden::process::Process;
use tenure_warden::socket_path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::act::Edge;
use crate::action::Action;
use crate::core::{Core, Rules};
use crate::descriptors::Raised;
use crate::event::Event;
use crate::hub::Hub;
use crate::pulse::{Heart, Question};
use crate::reap::reap;
use crate::settings::Settings;
use crate::wake::Wake;
use crate::{Error, Finished, Instruction};

/// A lease is renewed so often while it lasts, so that some renewals may fail.
const RENEWALS_PER_LEASE: u32 = 6;

/// How long a warden that is not hindered takes at most to answer, on a busy machine.
const ANSWER: Duration = Duration::from_secs(5);

/// Runs a dispatcher until it is told to finish, or, where it serves one batch, until nothing of
/// that can move without a person. `ready` is told as soon as it can dispatch: it is published,
/// and its socket is bound; with what it is told, it can be asked whether it still can.
///
/// It becomes the subreaper of its process and collects every child there, so nothing else in the
/// process may wait for children.
///
/// # Errors
/// [`Error`]; runs that are open then are seen to their end by their wardens.
pub async fn run(
    settings: Settings,
    store: Store,
    hold: Hold,
    instructions: mpsc::UnboundedReceiver<Instruction>,
    ready: oneshot::Sender<Heart>,
) -> Result<Finished, Error> {
    let settings = Arc::new(settings);
    let _raised = Raised::to_the_hard_limit();
    prctl::set_child_subreaper(true).map_err(machine("cannot become a subreaper"))?;
    prctl::set_dumpable(false).map_err(machine("cannot become non-dumpable"))?;
    let children = signal(SignalKind::child()).map_err(|source| Error::Machine {
        what: "cannot watch for children".into(),
        source,
    })?;
    let (wakes, queue) = mpsc::unbounded_channel();
    let socket = socket_path(&settings.folder, "dispatcher.sock").map_err(|source| {
        let what = format!("no place for a socket of {}", settings.folder.display());
        Error::Machine { what, source }
    })?;
    let hub = listen(&socket, &wakes)?;
    let row = row(&settings, socket)?;
    crate::clone::refuse(&store, &row.process, &settings.state).await?;
    store.publish(row.clone()).await?;
    tracing::info!(
        dispatcher.id = %settings.id, store = %store.url(), dispatcher.slots = settings.slots,
        "dispatcher ready",
    );
    tell_of(&settings.cgroups);
    let (heart, questions) = Heart::new();
    // Whoever waited for it may be gone.
    let _ = ready.send(heart);
    let edge =
        Edge::new(Arc::clone(&settings), row, store.clone(), hub, wakes).map_err(|source| {
            let what = "no thread can be started".into();
            Error::Machine { what, source }
        })?;
    let inputs = Inputs {
        queue,
        instructions,
        children,
        questions,
    };
    let finished = Box::pin(turn(&settings, inputs, edge)).await;
    if let Err(error) = &finished {
        tracing::error!(
            error = %error, "standing down: what runs is left to its wardens, for a newer dispatcher to adopt",
        );
    }
    if store.is_shared() {
        // What is not given back lapses.
        let _ = store.release_hooks(settings.id).await;
    }
    if let Err(error) = store.retire(settings.id).await {
        tracing::warn!(error = %error, "cannot sign off at the store");
    }
    drop(hold);
    tracing::info!(dispatcher.id = %settings.id, "dispatcher finished");
    Ok(finished?)
}

/// Where wakes come from.
struct Inputs {
    queue: mpsc::UnboundedReceiver<Wake>,
    instructions: mpsc::UnboundedReceiver<Instruction>,
    children: Signal,
    questions: mpsc::UnboundedReceiver<Question>,
}

/// Turns until the core wants to finish, or cannot go on.
async fn turn(
    settings: &Settings,
    mut inputs: Inputs,
    mut edge: Edge,
) -> Result<Finished, tenure_store::Error> {
    let mut core = Core::new(rules(settings, edge.is_shared()), Instant::now());
    // What was ordered before the first look comes first: who is to end claims nothing.
    let mut events: Vec<Event> = std::iter::from_fn(|| inputs.instructions.try_recv().ok())
        .map(|instruction| follow(&mut edge, instruction))
        .collect();
    events.push(Event::Time);
    loop {
        for event in events.drain(..) {
            for action in core.handle(Instant::now(), event) {
                match action {
                    Action::Finish(finished) => return Ok(finished),
                    Action::GiveUp(error) => return Err(error),
                    action => edge.act(action),
                }
            }
        }
        tokio::select! {
            Some(wake) = inputs.queue.recv() => events.extend(take_in(&mut edge, wake)),
            Some(instruction) = inputs.instructions.recv() => {
                events.push(follow(&mut edge, instruction));
            }
            Some(()) = inputs.children.recv() => {
                events.extend(reap().into_iter().map(|pid| edge.reaped(pid)));
            }
            Some(question) = inputs.questions.recv() => edge.pulse(question, core.held()),
            () = tokio::time::sleep_until(core.wake_at().into()) => events.push(Event::Time),
        }
    }
}

/// What the core is told of an instruction.
fn follow(edge: &mut Edge, instruction: Instruction) -> Event {
    match instruction {
        Instruction::Stop(control) => Event::Control(control),
        Instruction::HandOn(refuse) => {
            edge.hear_of_refusal(refuse);
            Event::HandOn
        }
        Instruction::Reload(settings) => {
            let shared = edge.is_shared();
            Event::Reloaded(rules(edge.reload(*settings), shared))
        }
    }
}

/// What the core is told of a wake.
fn take_in(edge: &mut Edge, wake: Wake) -> Option<Event> {
    match wake {
        Wake::Event(event) => Some(event),
        Wake::Looked(look) => Some(edge.take_over(look)),
        Wake::Made { run, made } => Some(edge.welcome(run, made)),
        Wake::Message { run, message } => edge.hear(run, message),
        Wake::LineClosed { run } => Some(Event::LineClosed { run }),
    }
}

fn listen(socket: &Path, wakes: &mpsc::UnboundedSender<Wake>) -> Result<Hub, Error> {
    let wakes = wakes.clone();
    let poked = move || {
        let _ = wakes.send(Wake::Event(Event::Look));
    };
    Hub::listen(socket.to_owned(), poked).map_err(|source| Error::Machine {
        what: format!("cannot listen at {}", socket.display()),
        source,
    })
}

fn rules(settings: &Settings, shared: bool) -> Rules {
    let offer = |(name, profile): (&String, &crate::Profile)| Offer {
        profile: name.clone(),
        skills: profile.skills.clone(),
        limits: profile.limits.clone().over(settings.defaults.clone()),
        max_running: profile.max_running,
    };
    // What another host must have is not ours to claim, however it is configured here.
    let has_all = |(_, profile): &(&String, &crate::Profile)| {
        let mut labels = profile.requires.iter();
        labels.all(|label| settings.labels.contains(label))
    };
    Rules {
        slots: settings.slots,
        offers: settings
            .profiles
            .iter()
            .filter(has_all)
            .map(offer)
            .collect(),
        poll: settings.poll,
        renew_every: settings.lease / RENEWALS_PER_LEASE,
        one_batch: settings.batch.is_some(),
        shared,
        lease_of_others: shared.then_some(settings.lease + MARGIN),
        patience: settings.kill_grace + ANSWER,
    }
}

/// Says once what runs can have of cgroups, and what follows where they can have none.
fn tell_of(cgroups: &Cgroups) {
    if let Some(root) = &cgroups.tree {
        tracing::info!(
            cgroup.root = %root.display(),
            memory_max.by = %cgroups.memory, pids_max.by = %cgroups.pids,
            "each run gets a cgroup",
        );
    } else {
        let lack = tenure_warden::cgroup::look().lack;
        tracing::info!(
            reason = lack.map(|lack| lack.to_string()),
            memory_max.by = %cgroups.memory, pids_max.by = %cgroups.pids,
            "runs get no cgroup: trees are found by descent, session and environment",
        );
    }
}

fn row(settings: &Settings, socket: PathBuf) -> Result<Dispatcher, Error> {
    Ok(Dispatcher {
        id: settings.id,
        process: Process::of(nix::unistd::getpid().as_raw(), &settings.host.id)
            .map_err(|source| Error::Machine {
                what: "cannot read the identity of this process".into(),
                source,
            })?
            .id()
            .clone(),
        host_name: settings.host.name.clone(),
        socket,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        knows: tenure_store::known_schema(),
        slots: settings.slots,
        profiles: settings.published(),
        labels: settings.labels.clone(),
        batch: settings.batch,
        drain_at: None,
        held: Vec::new(),
    })
}

fn machine(what: &str) -> impl FnOnce(nix::errno::Errno) -> Error {
    let what = what.to_owned();
    move |errno| Error::Machine {
        what,
        source: errno.into(),
    }
}
