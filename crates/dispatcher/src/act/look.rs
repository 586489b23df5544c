//! What the edge asks of the store for the dispatcher as a whole: claims, asks, leases, what lies ahead.

use tenure_guard::{RunId, Tenure};
use tenure_store::claim::{Offer, Wanted};
use tenure_store::life::{Ask, End};
use tenure_store::{DispatcherId, Error, Store};
use tenure_warden::clock::BootInstant;
use tenure_warden::lifeline::Order;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::{Edge, Hand};
use crate::event::Event;
use crate::line::Line;
use crate::pulse::{Pulse, Question};
use crate::wake::Wake;

impl Edge {
    pub(super) fn claim(&mut self, room: u32, offers: Vec<Offer>, recover: bool) {
        self.claim_end = BootInstant::now() + self.settings.lease;
        let known: Option<Vec<RunId>> = recover.then(|| self.hands.keys().copied().collect());
        let wanted = Wanted {
            dispatcher: self.settings.id,
            room,
            offers,
            labels: self.settings.labels.clone(),
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

    pub(super) fn ask_whether_to_claim(&self) {
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

    pub(super) fn read_asks(&self) {
        let (store, wakes, id) = (self.store.clone(), self.wakes.clone(), self.settings.id);
        tokio::spawn(async move {
            let asks = store.asks(id).await.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "cannot read what was asked");
                Vec::new()
            });
            let _ = wakes.send(Wake::Event(Event::AsksRead(asks)));
            learn_of_draining(&store, id, &wakes).await;
        });
    }

    pub(super) fn renew(&mut self, runs: &[RunId]) {
        let tenures: Vec<Tenure> = runs
            .iter()
            .filter_map(|run| Some(self.hands.get(run)?.tenure.clone()))
            .collect();
        let lines: Vec<(RunId, Option<UnboundedSender<String>>)> = tenures
            .iter()
            .map(|tenure| {
                let hand = self.hands.get(&tenure.run);
                (tenure.run, hand.and_then(Hand::out_for_orders))
            })
            .collect();
        let (store, wakes, lease) = (self.store.clone(), self.wakes.clone(), self.settings.lease);
        tokio::spawn(async move {
            let end = BootInstant::now() + lease;
            let renewed = match store.renew(tenures, lease).await {
                Ok(renewed) => renewed,
                Err(error) => {
                    tracing::warn!(error = %error, "cannot renew leases");
                    return tell_where_outgrown(&wakes, error);
                }
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

    pub(super) fn sign_of_life(&self) {
        let (store, wakes, id) = (self.store.clone(), self.wakes.clone(), self.settings.id);
        let row = self.row.clone();
        tokio::spawn(async move {
            let seen = match store.dispatcher_seen(id).await {
                // It was silent for so long that its row was cleared away.
                Ok(false) => store.publish(row).await,
                Ok(true) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = seen {
                tracing::warn!(error = %error, "cannot give a sign of life");
                tell_where_outgrown(&wakes, error);
            }
            learn_of_draining(&store, id, &wakes).await;
        });
    }

    pub(super) fn tell_of_draining(&self) {
        tracing::info!(
            dispatcher.id = %self.settings.id, dispatcher.runs = self.hands.len(),
            "asked to drain: nothing new is taken",
        );
    }

    /// Whoever asks for our place hears it here where it is not handed on.
    pub(crate) fn hear_of_refusal(&mut self, refuse: oneshot::Sender<String>) {
        self.refuse = Some(refuse);
    }

    pub(super) fn sign_off(&self) {
        let (store, wakes, id) = (self.store.clone(), self.wakes.clone(), self.settings.id);
        tokio::spawn(async move {
            let answer = store.hand_on(id).await;
            let _ = wakes.send(Wake::Event(Event::SignedOff(answer)));
        });
    }

    pub(super) fn keep_place(&mut self, reason: String) {
        if let Some(refuse) = self.refuse.take() {
            // Whoever asked may be gone.
            let _ = refuse.send(reason);
        }
    }

    /// Answers how we are, once the store has answered or was found to be away.
    pub(crate) fn pulse(&self, question: Question, runs: usize) {
        let (store, slots) = (self.store.clone(), self.settings.slots);
        tokio::spawn(async move {
            let answered = async {
                store.check_file().await?;
                store.write_nothing().await
            };
            let store_away = answered.await.err().map(|error| error.to_string());
            // Whoever asked may have given up.
            let _ = question.send(Pulse {
                runs,
                slots,
                store_away,
            });
        });
    }

    pub(super) fn look_ahead(&self) {
        let Some(batch) = self.settings.batch else {
            return;
        };
        let (store, wakes) = (self.store.clone(), self.wakes.clone());
        tokio::spawn(async move {
            match store.outlook(Some(batch), &[]).await {
                Ok(outlook) if outlook.any_moves_of(batch) => {}
                Ok(_) => {
                    let _ = wakes.send(Wake::Event(Event::BatchRests));
                }
                Err(error) => tracing::warn!(error = %error, "cannot look ahead"),
            }
        });
    }
}

/// A store whose tables are not ours any more is no store to wait for.
fn tell_where_outgrown(wakes: &UnboundedSender<Wake>, error: Error) {
    if let Error::Outgrown { .. } = error {
        let _ = wakes.send(Wake::Event(Event::Outgrown(error)));
    }
}

/// Asks whether somebody wants us to take nothing new. A store that is away is asked again.
async fn learn_of_draining(store: &Store, id: DispatcherId, wakes: &UnboundedSender<Wake>) {
    if let Ok(true) = store.is_draining(id).await {
        let _ = wakes.send(Wake::Event(Event::Draining));
    }
}

/// Closes what a claim left whose answer never came: claimed, and unknown to us.
async fn give_back_unanswered(
    store: &Store,
    dispatcher: DispatcherId,
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
