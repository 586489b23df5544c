//! The edge: carries out what the core decided, and takes in what the core need not know.
//!
//! Every call to the store is a task of its own that answers with a wake, so that nothing here
//! waits. What must not be lost (an end, a report) is tried until the store answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tenure_guard::wire::{Answer, Op};
use tenure_guard::{Reason, RunId, Tenure};
use tenure_store::claim::{Claimed, Offer, Wanted};
use tenure_store::life::{Ask, End};
use tenure_store::start::{Start, Started};
use tenure_store::{Error, Store};
use tenure_warden::clock::BootInstant;
use tenure_warden::gate::Word;
use tenure_warden::leftovers::Leftovers;
use tenure_warden::lifeline::{Message, Order, RequestId};
use tokio::sync::mpsc::UnboundedSender;

use crate::action::Action;
use crate::event::{Event, Unstarted};
use crate::hub::Hub;
use crate::line::Line;
use crate::settings::Settings;
use crate::spawn::{self, Made};
use crate::wake::Wake;

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The acting half of a dispatcher.
#[derive(Debug)]
pub(crate) struct Edge {
    settings: Arc<Settings>,
    store: Store,
    hub: Arc<Hub>,
    wakes: UnboundedSender<Wake>,
    spawner: std::sync::mpsc::Sender<spawn::Order>,
    hands: HashMap<RunId, Hand>,
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
}

/// A warden at its gate or on its lifeline.
#[derive(Debug)]
struct Warden {
    start: Start,
    /// `None` once the line was let go.
    line: Option<Line>,
}

impl Edge {
    pub(crate) fn new(
        settings: Arc<Settings>,
        store: Store,
        hub: Hub,
        wakes: UnboundedSender<Wake>,
    ) -> Self {
        let spawner = spawn::start(&settings, &store.url().expose(), &wakes);
        Self {
            settings,
            store,
            hub: Arc::new(hub),
            wakes,
            spawner,
            hands: HashMap::new(),
            claim_end: BootInstant::now(),
        }
    }

    /// Carries out one action.
    pub(crate) fn act(&mut self, action: Action) {
        match action {
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
            Action::Bury(run) => self.bury(run),
            Action::Close(run, end) => self.close(run, end),
            Action::Acknowledge(run) => self.acknowledge(run),
            Action::Count => self.count(),
            // The loop's own.
            Action::Finish => {}
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
        let start = Start {
            tenure: hand.tenure.clone(),
            warden: made.process,
            socket: made.socket,
            log: Some(made.log),
            lease: self.settings.lease,
        };
        let line = Some(Line::new(run, stream, self.wakes.clone()));
        hand.warden = Some(Warden { start, line });
        Ok(pid)
    }

    /// Takes in what a warden said; what the core is told of it, if it need know.
    pub(crate) fn hear(&mut self, run: RunId, message: Message) -> Option<Event> {
        let hand = self.hands.get(&run)?;
        let tenure = hand.tenure.clone();
        match message {
            Message::Started { pid } => {
                tracing::info!(
                    task.id = %tenure.task, run.id = %run, run.attempt = hand.attempt,
                    run.profile = hand.profile, process.pid = pid,
                    "command started",
                );
                let store = self.store.clone();
                self.write(run, "pid not noted", async move {
                    store.note_worker(tenure, pid).await
                });
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

    fn claim(&mut self, room: u32, offers: Vec<Offer>, recover: bool) {
        self.claim_end = BootInstant::now() + self.settings.lease;
        let known: Option<Vec<RunId>> = recover.then(|| self.hands.keys().copied().collect());
        let wanted = Wanted {
            dispatcher: self.settings.id,
            room,
            offers,
            batch: self.settings.batch,
            lease: self.settings.lease,
        };
        let (store, wakes) = (self.store.clone(), self.wakes.clone());
        tokio::spawn(async move {
            let answer = async {
                store.check_file().await?;
                if let Some(known) = known {
                    give_back_unanswered(&store, wanted.dispatcher, &known).await?;
                }
                store.claim(wanted).await
            }
            .await;
            if let Err(error) = &answer {
                tracing::warn!(error = %error, "cannot claim");
            }
            let _ = wakes.send(Wake::Event(Event::Claimed(answer)));
        });
    }

    fn ask_whether_to_claim(&self) {
        let (store, wakes) = (self.store.clone(), self.wakes.clone());
        tokio::spawn(async move {
            match store.may_claim().await {
                Ok(true) => {
                    let _ = wakes.send(Wake::Event(Event::MayClaim));
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(error = %error, "cannot look for tasks"),
            }
        });
    }

    fn spawn(&mut self, claimed: Box<Claimed>) {
        let (task, run) = (claimed.tenure.task, claimed.tenure.run);
        tracing::info!(
            task.id = %task, run.id = %run, run.attempt = claimed.attempt,
            run.profile = claimed.profile, run.lock = claimed.tenure.lock.short(),
            "task claimed",
        );
        self.hub.changed();
        let hand = Hand {
            tenure: claimed.tenure.clone(),
            attempt: claimed.attempt,
            profile: claimed.profile.clone(),
            lease_end: self.claim_end,
            warden: None,
        };
        self.hands.insert(run, hand);
        let (store, wakes, spawner) =
            (self.store.clone(), self.wakes.clone(), self.spawner.clone());
        tokio::spawn(async move {
            let context = store
                .context(task, run)
                .await
                .map_err(|error| error.to_string());
            let json = context.and_then(|context| {
                serde_json::to_vec_pretty(&context).map_err(|error| error.to_string())
            });
            let sent = json.and_then(|context| {
                let order = spawn::Order { claimed, context };
                spawner
                    .send(order)
                    .map_err(|_| "the spawner threads are gone".to_owned())
            });
            if let Err(reason) = sent {
                let _ = wakes.send(Wake::Made {
                    run,
                    made: Err(reason),
                });
            }
        });
    }

    /// Commits the start; tries until it is answered or the lease of the claim is over.
    fn start(&mut self, run: RunId) {
        let Some(hand) = self.hands.get_mut(&run) else {
            return;
        };
        let Some(warden) = &hand.warden else { return };
        let (start, claim_end) = (warden.start.clone(), hand.lease_end);
        hand.lease_end = BootInstant::now() + self.settings.lease;
        let (store, wakes) = (self.store.clone(), self.wakes.clone());
        tokio::spawn(async move {
            let answer = loop {
                match store.start(start.clone()).await {
                    Ok(started) => break Ok(started),
                    Err(Error::NotOwner { reason }) => break Err(Unstarted::NotOwner(reason)),
                    Err(error) if claim_end.remaining().is_zero() => {
                        break Err(Unstarted::Unanswered(error.to_string()));
                    }
                    Err(error) => {
                        tracing::warn!(run.id = %run, error = %error, "cannot commit the start");
                        tokio::time::sleep(STORE_PAUSE).await;
                    }
                }
            };
            let _ = wakes.send(Wake::Event(Event::Started { run, answer }));
        });
    }

    fn go(&self, run: RunId, started: Started) {
        self.hub.changed();
        if let Some(hand) = self.hands.get(&run) {
            hand.say(&Word::Go {
                lease_end: hand.lease_end,
                deadline: started.deadline.map(|time| time.to_string()),
            });
        }
    }

    fn stand_down(&self, run: RunId, reason: &Reason) {
        let Some(hand) = self.hands.get(&run) else {
            return;
        };
        tracing::info!(
            task.id = %hand.tenure.task, run.id = %run, reason = %reason, "run stood down",
        );
        hand.say(&Word::StandDown {
            reason: reason.clone(),
        });
        let (store, tenure, reason) = (self.store.clone(), hand.tenure.clone(), reason.clone());
        self.write(run, "stand-down not recorded", async move {
            store.stood_down(tenure, reason).await.map(|_| ())
        });
    }

    fn hang(&mut self, run: RunId) {
        if let Some(warden) = self
            .hands
            .get_mut(&run)
            .and_then(|hand| hand.warden.as_mut())
        {
            warden.line = None;
        }
    }

    fn end(&self, run: RunId, ask: Ask) {
        if let Some(hand) = self.hands.get(&run) {
            tracing::info!(task.id = %hand.tenure.task, run.id = %run, run.ask = %ask, "ending run");
            hand.say(&Order::End { ask });
        }
    }

    fn shutdown(&self, run: RunId) {
        let Some(hand) = self.hands.get(&run) else {
            return;
        };
        let (store, tenure) = (self.store.clone(), hand.tenure.clone());
        self.write(run, "shutdown not recorded", async move {
            store
                .ask_as_holder(tenure, Ask::Shutdown, "dispatcher".to_owned())
                .await
        });
        self.end(run, Ask::Shutdown);
    }

    fn read_asks(&self) {
        let (store, wakes, id) = (self.store.clone(), self.wakes.clone(), self.settings.id);
        tokio::spawn(async move {
            match store.asks(id).await {
                Ok(asks) => {
                    let _ = wakes.send(Wake::Event(Event::Asks(asks)));
                }
                Err(error) => tracing::warn!(error = %error, "cannot read what was asked"),
            }
        });
    }

    fn renew(&mut self, runs: &[RunId]) {
        let tenures: Vec<Tenure> = runs
            .iter()
            .filter_map(|run| Some(self.hands.get(run)?.tenure.clone()))
            .collect();
        let lines: Vec<(RunId, Option<UnboundedSender<String>>)> = tenures
            .iter()
            .map(|tenure| (tenure.run, self.hands.get(&tenure.run).and_then(Hand::out)))
            .collect();
        let (store, wakes, lease) = (self.store.clone(), self.wakes.clone(), self.settings.lease);
        tokio::spawn(async move {
            let end = BootInstant::now() + lease;
            let renewed = match store.renew(tenures, lease).await {
                Ok(renewed) => renewed,
                Err(error) => return tracing::warn!(error = %error, "cannot renew leases"),
            };
            let mut asks = Vec::new();
            for ((run, out), renewed) in lines.into_iter().zip(renewed) {
                match renewed {
                    Ok(renewed) => {
                        Line::say_on(out.as_ref(), &Order::Lease { end });
                        asks.extend(renewed.ask.map(|ask| (run, ask)));
                    }
                    // Somebody closed the run: whatever still runs of it must end.
                    Err(Error::NotOwner { .. }) => asks.push((run, Ask::Reclaim)),
                    Err(error) => {
                        tracing::warn!(run.id = %run, error = %error, "lease not renewed");
                    }
                }
            }
            let _ = wakes.send(Wake::Event(Event::Asks(asks)));
        });
    }

    fn sign_of_life(&self) {
        let (store, id) = (self.store.clone(), self.settings.id);
        tokio::spawn(async move {
            if let Err(error) = store.dispatcher_seen(id).await {
                tracing::warn!(error = %error, "cannot give a sign of life");
            }
        });
    }

    /// Writes what the worker wants written. Unanswered, it is tried again: meanwhile the warden
    /// keeps it, and would write it itself if we died.
    fn request(&self, run: RunId, id: RequestId, op: Op) {
        let Some(hand) = self.hands.get(&run) else {
            return;
        };
        let (tenure, out) = (hand.tenure.clone(), hand.out());
        let (store, hub) = (self.store.clone(), Arc::clone(&self.hub));
        tokio::spawn(async move {
            let answer = loop {
                match write_for_worker(&store, tenure.clone(), op.clone()).await {
                    Ok(()) => break Answer::Ok,
                    Err(Error::NotOwner { reason }) => break Answer::NotOwner { reason },
                    Err(Error::Unavailable(error)) => {
                        tracing::warn!(run.id = %run, error, "a worker's word waits for the store");
                        tokio::time::sleep(STORE_PAUSE).await;
                    }
                    Err(error) => {
                        break Answer::Refused {
                            message: error.to_string(),
                        };
                    }
                }
            };
            Line::say_on(out.as_ref(), &Order::Answer { id, answer });
            hub.changed();
        });
    }

    fn bury(&self, run: RunId) {
        let Some(warden) = self.hands.get(&run).and_then(|hand| hand.warden.as_ref()) else {
            return;
        };
        let leftovers = Leftovers {
            session: warden.start.warden.pid,
            lock: warden.start.tenure.lock.clone(),
        };
        tracing::warn!(
            run.id = %run, process.pid = leftovers.session,
            "warden was killed: ending what it left",
        );
        let wakes = self.wakes.clone();
        // A thread of its own: what cannot be killed must not keep the process from finishing.
        std::thread::spawn(move || {
            leftovers.end();
            let _ = wakes.send(Wake::Event(Event::Buried { run }));
        });
    }

    /// Writes the end, and tries until the store answers: an end is never lost.
    fn close(&self, run: RunId, end: End) {
        let Some(hand) = self.hands.get(&run) else {
            return;
        };
        let (tenure, attempt) = (hand.tenure.clone(), hand.attempt);
        let (store, wakes, hub) = (
            self.store.clone(),
            self.wakes.clone(),
            Arc::clone(&self.hub),
        );
        tokio::spawn(async move {
            let ended = loop {
                match store.end(tenure.clone(), end.clone()).await {
                    Ok(ended) => break Some(ended),
                    Err(Error::Unavailable(error)) => {
                        tracing::warn!(run.id = %run, error, "an end waits for the store");
                        tokio::time::sleep(STORE_PAUSE).await;
                    }
                    Err(error) => {
                        tracing::warn!(run.id = %run, error = %error, "the run is not ours to close");
                        break None;
                    }
                }
            };
            if let Some(ended) = &ended {
                tracing::info!(
                    task.id = %tenure.task, run.id = %run, run.attempt = attempt,
                    run.outcome = %ended.outcome, run.reason = ended.reason,
                    task.status = %ended.status,
                    "run ended",
                );
            }
            hub.changed();
            let _ = wakes.send(Wake::Event(Event::Ended { run, ended }));
        });
    }

    fn acknowledge(&mut self, run: RunId) {
        if let Some(hand) = self.hands.remove(&run) {
            hand.say(&Order::Acknowledged);
        }
    }

    fn count(&self) {
        let Some(batch) = self.settings.batch else {
            return;
        };
        let (store, wakes) = (self.store.clone(), self.wakes.clone());
        tokio::spawn(async move {
            match store.batch_counts(batch).await {
                Ok(counts) => {
                    let _ = wakes.send(Wake::Event(Event::Counted(counts)));
                }
                Err(error) => tracing::warn!(error = %error, "cannot count the batch"),
            }
        });
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
}

/// Closes what a claim left whose answer never came: claimed, and unknown to us.
async fn give_back_unanswered(
    store: &Store,
    dispatcher: tenure_store::DispatcherId,
    known: &[RunId],
) -> Result<(), Error> {
    for tenure in store.claimed_but_not_started(dispatcher).await? {
        if !known.contains(&tenure.run) {
            let reason = "the claim's answer was lost".to_owned();
            store.end(tenure, End::NeverStarted { reason }).await?;
        }
    }
    Ok(())
}

async fn write_for_worker(store: &Store, tenure: Tenure, op: Op) -> Result<(), Error> {
    match op {
        Op::Heartbeat { note } => store.heartbeat(tenure, note).await,
        Op::Comment { text } => store.comment_as_worker(tenure, text).await,
        Op::Report { id, report } => store.report(tenure, id, report).await,
        // The warden answers these from its lease, and never passes them on.
        Op::Check | Op::Watch => Ok(()),
    }
}
