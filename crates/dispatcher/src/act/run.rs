//! What the edge does for one run, from its warden's making to its written end. What must not be
//! lost (an end, a report) is tried until the store answers.

use std::sync::Arc;

use tenure_guard::wire::{Answer, Op};
use tenure_guard::{Reason, RunId, Tenure};
use tenure_store::Error;
use tenure_store::claim::Claimed;
use tenure_store::life::{Ask, End};
use tenure_store::start::Started;
use tenure_warden::carry_out::{carry_out, refused};
use tenure_warden::clock::BootInstant;
use tenure_warden::gate::Word;
use tenure_warden::lifeline::{Order, RequestId};

use super::{Edge, Hand, STORE_PAUSE};
use crate::event::{Event, Unstarted};
use crate::line::Line;
use crate::spawn;
use crate::wake::Wake;

impl Edge {
    pub(super) fn spawn(&mut self, claimed: Box<Claimed>) {
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
            worker: None,
        };
        self.hands.insert(run, hand);
        let (store, wakes, spawner) =
            (self.store.clone(), self.wakes.clone(), self.spawner.clone());
        let settings = Arc::clone(&self.settings);
        tokio::spawn(async move {
            let context = store
                .context(task, run)
                .await
                .map_err(|error| error.to_string());
            let json = context.and_then(|context| {
                serde_json::to_vec_pretty(&context).map_err(|error| error.to_string())
            });
            let sent = json.and_then(|context| {
                let order = spawn::Order {
                    claimed,
                    context,
                    settings,
                };
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
    pub(super) fn start(&mut self, run: RunId) {
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

    pub(super) fn go(&mut self, run: RunId, started: Started) {
        self.hub.changed();
        if let Some(hand) = self.hands.get_mut(&run) {
            hand.say(&Word::Go {
                lease_end: hand.lease_end,
                deadline: started.deadline.map(|time| time.to_string()),
            });
            if let Some(warden) = &mut hand.warden {
                warden.is_let_go = true;
            }
        }
    }

    pub(super) fn stand_down(&self, run: RunId, reason: &Reason) {
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

    pub(super) fn hang(&mut self, run: RunId) {
        if let Some(warden) = self
            .hands
            .get_mut(&run)
            .and_then(|hand| hand.warden.as_mut())
        {
            warden.line = None;
        }
    }

    pub(super) fn end(&self, run: RunId, ask: Ask) {
        if let Some(hand) = self.hands.get(&run) {
            tracing::info!(task.id = %hand.tenure.task, run.id = %run, run.ask = %ask, "ending run");
            hand.say(&Order::End { ask });
        }
    }

    pub(super) fn shutdown(&self, run: RunId) {
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

    /// Does what the worker wants of the store. A write that is not answered is tried again: meanwhile
    /// the warden keeps it, and would write it itself if we died.
    pub(super) fn request(&self, run: RunId, id: RequestId, op: Op) {
        let Some(hand) = self.hands.get(&run) else {
            return;
        };
        let (tenure, out) = (hand.tenure.clone(), hand.out());
        let (store, hub, wakes) = (
            self.store.clone(),
            Arc::clone(&self.hub),
            self.wakes.clone(),
        );
        tokio::spawn(async move {
            let answer = loop {
                match carry_out(&store, tenure.clone(), op.clone()).await {
                    Ok(answer) => break answer,
                    Err(error) => {
                        let problem = error.to_string();
                        if let Some(answer) = refused(error, Some(&op)) {
                            break answer;
                        }
                        tracing::warn!(
                            run.id = %run, error = problem,
                            "a worker's word waits for the store",
                        );
                        tokio::time::sleep(STORE_PAUSE).await;
                    }
                }
            };
            let added = note_added(run, &tenure, &op, &answer);
            let is_written = matches!(answer, Answer::Ok) || added;
            Line::say_on(out.as_ref(), &Order::Answer { id, answer });
            if added {
                let _ = wakes.send(Wake::Event(Event::Look));
            }
            if is_written {
                hub.changed();
            }
        });
    }

    /// Writes the end, and tries until the store answers: an end is never lost.
    pub(super) fn close(&self, run: RunId, end: End) {
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
                    // What is unreadable here a newer dispatcher can read, which adopts the warden.
                    Err(
                        error @ (Error::Unavailable(_)
                        | Error::Outgrown { .. }
                        | Error::Unreadable(_)),
                    ) => {
                        tracing::warn!(run.id = %run, error = %error, "an end waits for the store");
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

    pub(super) fn acknowledge(&mut self, run: RunId) {
        if let Some(hand) = self.hands.remove(&run) {
            hand.say(&Order::Acknowledged);
        }
    }
}

/// Whether a worker added a task just now; the log is told.
fn note_added(run: RunId, tenure: &Tenure, op: &Op, answer: &Answer) -> bool {
    let (Op::Add { .. }, Answer::Data { data }) = (op, answer) else {
        return false;
    };
    tracing::info!(
        task.id = %tenure.task, run.id = %run, added.id = %data["id"],
        "task added by a worker",
    );
    true
}
