//! The edge: carries out what the core decided, and takes in what the core need not know.
//!
//! Every call to the store is a task of its own that answers with a wake, so that nothing here
//! waits.

mod adopt;
mod bury;
mod held;
mod look;
mod run;
mod strays;
mod take_back;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenure_guard::{RunId, Tenure};
use tenure_store::dispatcher::Dispatcher;
use tenure_store::start::Start;
use tenure_store::{Error, Store};
use tenure_warden::clock::BootInstant;
use tenure_warden::lifeline::Message;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::action::Action;
use crate::elsewhere::Elsewhere;
use crate::event::Event;
use crate::hook::herald::Herald;
use crate::hub::Hub;
use crate::line::Line;
use crate::orphan::Grave;
use crate::settings::Settings;
use crate::spawn::{self, Made};
use crate::wake::Wake;

pub(crate) use self::adopt::Look;
pub(crate) use self::bury::Burial;
use self::held::Teller;
use self::strays::Family;

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The acting half of a dispatcher.
#[derive(Debug)]
pub(crate) struct Edge {
    settings: Arc<Settings>,
    /// What the store knows of us.
    row: Dispatcher,
    store: Store,
    hub: Arc<Hub>,
    wakes: UnboundedSender<Wake>,
    spawner: std::sync::mpsc::Sender<spawn::Order>,
    family: Family,
    herald: Herald,
    #[expect(dead_code, reason = "held, not read: dropping it ends the watching")]
    elsewhere: Elsewhere,
    hands: HashMap<RunId, Hand>,
    teller: Teller,
    /// Who wants our place to be handed on, and hears why not.
    refuse: Option<oneshot::Sender<String>>,
    /// The lease's end of the claim that is under way, taken before it was sent.
    claim_end: BootInstant,
}

/// What the edge holds of a run.
#[derive(Debug)]
struct Hand {
    tenure: Tenure,
    attempt: u32,
    profile: String,
    /// The lease's end, taken before the claim or the renewal was sent.
    lease_end: BootInstant,
    warden: Option<Warden>,
    /// The worker, once its start was told: an adopted warden tells it again.
    worker: Option<i32>,
}

/// A warden at its gate or on its lifeline.
#[derive(Debug)]
struct Warden {
    start: Start,
    /// `None` once the line was let go.
    line: Option<Line>,
    /// Whether its command was let go: at the gate it waits for that word, and understands no order.
    is_let_go: bool,
    /// What can be looked for where it dies.
    grave: Grave,
}

impl Edge {
    pub(crate) fn new(
        settings: Arc<Settings>,
        row: Dispatcher,
        store: Store,
        hub: Hub,
        wakes: UnboundedSender<Wake>,
    ) -> io::Result<Self> {
        let spawner = spawn::start(&store.url().expose_settled(), &wakes)?;
        let hub = Arc::new(hub);
        let changes = hub.changes();
        let elsewhere = Elsewhere::watch(&store, &hub, wakes.clone());
        let herald = Herald::start(Arc::clone(&settings), store.clone(), changes);
        let family = Family::new(&settings.host.id, &settings.warden.path);
        let teller = Teller::start(store.clone(), settings.id);
        Ok(Self {
            settings,
            row,
            family,
            herald,
            elsewhere,
            store,
            hub,
            wakes,
            spawner,
            teller,
            refuse: None,
            hands: HashMap::new(),
            claim_end: BootInstant::now(),
        })
    }

    /// Goes on by other settings, and publishes them; what is in force now.
    pub(crate) fn reload(&mut self, settings: Settings) -> &Settings {
        self.settings = Arc::new(settings.for_incarnation_of(&self.settings));
        self.herald.follow(Arc::clone(&self.settings));
        self.row.slots = self.settings.slots;
        self.row.profiles = self.settings.published();
        self.row.labels.clone_from(&self.settings.labels);
        self.publish();
        &self.settings
    }

    fn publish(&self) {
        let (store, row) = (self.store.clone(), self.row.clone());
        tokio::spawn(async move {
            while let Err(error) = store.publish(row.clone()).await {
                tracing::warn!(error = %error, "cannot publish what can be run here yet");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        });
    }

    /// A child of ours was reaped.
    pub(crate) fn reaped(&mut self, pid: i32) -> Event {
        self.family.reaped(pid);
        Event::Reaped { pid }
    }

    /// Whether others may dispatch from the same store.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.is_shared()
    }

    /// Carries out one action.
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::LookForOrphans => self.look_for_orphans(),
            Action::TakeBackLapsed => self.take_back_lapsed(),
            Action::AskWhetherToClaim => self.ask_whether_to_claim(),
            Action::Claim {
                room,
                offers,
                recover,
            } => self.claim(room, offers, recover),
            Action::Spawn(claimed) => self.spawn(claimed),
            Action::Start(run) => self.start(run),
            Action::Go(run, started) => self.go(run, started),
            Action::StandDown(run, reason) => self.stand_down(run, &reason),
            Action::Hang(run) => self.hang(run),
            Action::End(run, ask) => self.end(run, ask),
            Action::Shutdown(run) => self.shutdown(run),
            Action::ReadAsks => self.read_asks(),
            Action::Renew(runs) => self.renew(&runs),
            Action::SignOfLife => self.sign_of_life(),
            Action::KillWarden(run) => self.kill_warden(run),
            Action::Bury(run) => self.bury(run),
            Action::Close(run, end) => self.close(run, end),
            Action::Acknowledge(run) => self.acknowledge(run),
            Action::TellHeld(held) => self.teller.tell(held),
            Action::LookAhead => self.look_ahead(),
            Action::TellOfDraining => self.tell_of_draining(),
            Action::Publish => self.publish(),
            Action::SignOff => self.sign_off(),
            Action::KeepPlace(reason) => self.keep_place(reason),
            // The loop's own.
            Action::Finish(_) | Action::GiveUp(_) => {}
        }
    }

    /// Takes in a warden that a spawner thread made; what the core is told of it.
    pub(crate) fn welcome(&mut self, run: RunId, made: Result<Made, String>) -> Event {
        let warden = made.and_then(|made| self.take_warden(run, made));
        if let Err(reason) = &warden {
            tracing::error!(run.id = %run, reason, "no warden could be made");
        }
        Event::Spawned { run, warden }
    }

    fn take_warden(&mut self, run: RunId, made: Made) -> Result<i32, String> {
        let hand = self
            .hands
            .get_mut(&run)
            .ok_or("the run is not in our hands")?;
        let stream = tokio::net::UnixStream::from_std(made.stream)
            .map_err(|error| format!("the gate's socket cannot be watched: {error}"))?;
        let pid = made.process.pid;
        self.family.add(made.process.clone());
        let start = Start {
            tenure: hand.tenure.clone(),
            warden: made.process,
            socket: made.socket,
            log: Some(made.log),
            lease: self.settings.lease,
        };
        let line = Some(Line::new(run, stream, self.wakes.clone()));
        let grave = Grave::Here;
        hand.warden = Some(Warden {
            start,
            line,
            is_let_go: false,
            grave,
        });
        Ok(pid)
    }

    /// Takes in what a warden said; what the core is told of it, if it need know.
    pub(crate) fn hear(&mut self, run: RunId, message: Message) -> Option<Event> {
        let hand = self.hands.get_mut(&run)?;
        let tenure = hand.tenure.clone();
        match message {
            Message::Started { pid } => {
                if hand.worker.replace(pid).is_none() {
                    tracing::info!(
                        task.id = %tenure.task, run.id = %run, run.attempt = hand.attempt,
                        run.profile = hand.profile, process.pid = pid,
                        "command started",
                    );
                }
                let store = self.store.clone();
                self.write(run, "pid not noted", async move {
                    store.note_worker(tenure, pid).await
                });
                None
            }
            Message::Adopted { pid, asked } => {
                hand.worker = pid;
                tracing::info!(
                    task.id = %tenure.task, run.id = %run, run.attempt = hand.attempt,
                    run.profile = hand.profile, process.pid = pid,
                    "lifeline taken up",
                );
                Some(Event::TakenUp { run, asked })
            }
            Message::NotAdopted { reason } => {
                // The run is in our hands all the same: its warden goes on by itself, and its death
                // is ours to find.
                tracing::warn!(run.id = %run, reason, "lifeline not taken up");
                None
            }
            Message::Ask { ask } => {
                tracing::info!(task.id = %tenure.task, run.id = %run, run.ask = %ask, "limit reached");
                let store = self.store.clone();
                let by = "dispatcher".to_owned();
                self.write(run, "limit not recorded", async move {
                    store.ask_as_holder(tenure, ask, by).await
                });
                Some(Event::Asked { run, ask })
            }
            Message::Request { id, op } => {
                self.request(run, id, op);
                None
            }
            Message::Ended { end } => Some(Event::Over { run, end }),
        }
    }

    /// Writes something that is worth a line in the log when it fails, and nothing more.
    fn write(
        &self,
        run: RunId,
        failure: &'static str,
        write: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) {
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            match write.await {
                Ok(()) => hub.changed(),
                Err(error) => tracing::warn!(run.id = %run, error = %error, "{failure}"),
            }
        });
    }
}

impl Hand {
    fn say(&self, order: &impl serde::Serialize) {
        Line::say_on(self.out().as_ref(), order);
    }

    fn out(&self) -> Option<UnboundedSender<String>> {
        Some(self.warden.as_ref()?.line.as_ref()?.out())
    }

    /// The way for orders, once the command was let go.
    fn out_for_orders(&self) -> Option<UnboundedSender<String>> {
        self.out()
            .filter(|_| self.warden.as_ref().is_some_and(|warden| warden.is_let_go))
    }
}
