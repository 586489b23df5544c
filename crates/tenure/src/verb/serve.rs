//! `serve`: the dispatcher in the foreground.

use std::convert::Infallible;

use tenure_dispatcher::{Finished, Instruction, Settings};
use tenure_store::Store;
use tenure_store::dispatcher::Hold;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{mpsc, oneshot};

use crate::cli::{Global, Serve};
use crate::failure::Failure;
use crate::place::Place;
use crate::reload::InForce;
use crate::service_manager;
use crate::settings::settings;
use crate::signals::{Manners, Meaning, Signals, Stopping};
use crate::{logging, panic, upgrade};

/// Dispatches until told to stop.
pub fn run(global: &Global, args: &Serve) -> Result<(), Failure> {
    logging::begin(args.log_format, "info", None)?;
    panic::end_the_process();
    let program = crate::settings::own_program()?;
    // They outlive each dispatcher: what one caught and did not obey is the next one's.
    let mut signals = super::block_on(async {
        Signals::catch().map_err(|error| Failure::io("signals cannot be caught", error))
    })?;
    loop {
        match super::block_on(serve(global, &mut signals))? {
            Finished::ForGood => return Ok(()),
            Finished::ForTheNext => match upgrade::exec(&program, &mut signals) {
                Ok(never) => match never {},
                // Workers wait for nobody, but their tasks do: the old program is better than none.
                Err(failure) => {
                    tracing::error!(
                        error = failure.message(),
                        "not upgraded: going on as before"
                    );
                }
            },
        }
    }
}

async fn serve(global: &Global, signals: &mut Signals) -> Result<Finished, Failure> {
    Place::allowed(global)?;
    let (in_force, place) = InForce::read(global)?;
    let store = service_manager::patiently(place.open()).await?;
    let hold = store.hold().await?;
    let settings = settings(&place.config, &store, None)?;
    let post = Post {
        global,
        stopping: Stopping::new(Manners::Service(settings.on_stop)),
        store: store.clone(),
        in_force,
    };
    dispatch(settings, store, hold, signals, post).await
}

async fn dispatch(
    settings: Settings,
    store: Store,
    hold: Hold,
    signals: &mut Signals,
    post: Post<'_>,
) -> Result<Finished, Failure> {
    let (instructions, orders) = mpsc::unbounded_channel();
    let (ready, is_ready) = oneshot::channel();
    let dispatcher = tenure_dispatcher::run(settings, store, hold, orders, ready);
    let obeying = post.obey(signals, &instructions);
    let beside = async { tokio::join!(service_manager::accompany(is_ready), obeying).1 };
    tokio::select! {
        finished = dispatcher => Ok(finished?),
        never = beside => match never {},
    }
}

/// What signals are answered with while a dispatcher lives.
struct Post<'a> {
    global: &'a Global,
    stopping: Stopping,
    store: Store,
    in_force: InForce,
}

impl Post<'_> {
    async fn obey(
        mut self,
        signals: &mut Signals,
        instructions: &UnboundedSender<Instruction>,
    ) -> Infallible {
        loop {
            let instruction = match self.stopping.on(signals.next().await) {
                Some(Meaning::Stop(control)) => {
                    service_manager::stopping();
                    tracing::info!(dispatcher.control = %control, "asked to stop");
                    Some(Instruction::Stop(control))
                }
                Some(Meaning::Reload) => self.reload(),
                Some(Meaning::Upgrade) => {
                    upgrade(instructions).await;
                    None
                }
                None => None,
            };
            // A dispatcher that is gone already needs no word.
            instruction.map(|instruction| instructions.send(instruction));
        }
    }

    /// Reads the configuration again; a wrong one leaves everything as it is.
    fn reload(&mut self) -> Option<Instruction> {
        service_manager::reloading();
        let reloaded = self.in_force.again(self.global, &self.store);
        if reloaded.as_ref().is_ok_and(|it| it.has_other_password) {
            tracing::warn!(
                "the store's password is another one, which is used from the next start on: `systemctl restart` or SIGUSR2 leaves the workers alone"
            );
        }
        let instruction = match reloaded {
            Ok(reloaded) if reloaded.changed.is_empty() => {
                tracing::info!("configuration read again: nothing changed");
                None
            }
            Ok(reloaded) => {
                tracing::info!(config.changed = ?reloaded.changed, "configuration reloaded");
                self.in_force = reloaded.in_force;
                self.stopping.follow(reloaded.settings.on_stop);
                Some(Instruction::Reload(Box::new(reloaded.settings)))
            }
            Err(failure) => {
                tracing::error!(
                    error = failure.message(),
                    "configuration not reloaded: the one before stays in force",
                );
                None
            }
        };
        service_manager::reloaded();
        instruction
    }
}

/// Has the place of the dispatcher handed on, so that this process can become the program that lies
/// where ours was started from. Comes back only where it goes on: whoever asks for an end meanwhile
/// asks the next program.
async fn upgrade(instructions: &UnboundedSender<Instruction>) {
    tracing::info!("asked to become the program that is installed now");
    service_manager::reloading();
    let (refuse, refused) = oneshot::channel();
    // A dispatcher that is gone already needs no word.
    let _ = instructions.send(Instruction::HandOn(refuse));
    let Ok(reason) = refused.await else {
        return std::future::pending().await;
    };
    tracing::warn!(reason, "not upgraded: going on as before");
    service_manager::reloaded();
}
