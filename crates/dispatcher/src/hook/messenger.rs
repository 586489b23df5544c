//! Tells one program of its events, one after the other and in their order: each until it is told, or
//! given up with an event that says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tenure_store::event::Event;
use tenure_store::hook::OLD;
use tenure_store::read::EventFilter;
use tenure_store::{Error, EventId, Store};
use tokio::sync::{Notify, watch};

use super::Program;
use super::standing::{Missed, Next, Standing};
use super::tell::tell;
use crate::settings::Settings;

/// How many events are read at once.
const PAGE: u32 = 64;

/// How many events the program does not want may pass before that is news.
const UNNOTED: i64 = 1000;

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Up to which event a program is told, for whoever notes it.
#[derive(Debug)]
pub(super) struct Told {
    event: AtomicI64,
    news: Arc<Notify>,
}

impl Told {
    /// Up to this one; `news` learns when it is worth a note how far it is by then.
    pub(super) fn new(event: EventId, news: Arc<Notify>) -> Self {
        Self {
            event: AtomicI64::new(event.0),
            news,
        }
    }

    /// Up to which event.
    pub(super) fn up_to(&self) -> EventId {
        EventId(self.event.load(Ordering::Relaxed))
    }
}

/// Whoever tells a program.
#[derive(Debug)]
pub(super) struct Messenger {
    program: Program,
    settings: Arc<Settings>,
    store: Store,
    changes: watch::Receiver<u64>,
    told: Arc<Told>,
    /// Up to which event that was made known.
    known: EventId,
    standing: Standing,
}

impl Messenger {
    /// One that tells of what comes after `told`; `changes` says that there may be new events.
    pub(super) fn new(
        program: Program,
        settings: Arc<Settings>,
        store: Store,
        changes: watch::Receiver<u64>,
        told: Arc<Told>,
    ) -> Self {
        Self {
            program,
            settings,
            store,
            changes,
            known: told.up_to(),
            told,
            standing: Standing::default(),
        }
    }

    /// Tells for as long as there is a dispatcher. Dropped, it ends what is being told.
    pub(super) async fn go_on(mut self) {
        loop {
            // Before the reading: what comes meanwhile is a change.
            self.changes.mark_unchanged();
            if let Err(error) = self.read_on().await {
                tracing::warn!(error = %error, "hooks wait for the store");
                tokio::time::sleep(STORE_PAUSE).await;
                continue;
            }
            let poll = self.settings.poll;
            let look = async {
                if self.store.is_shared() {
                    tokio::time::sleep(poll).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return },
                () = look => {}
            }
        }
    }

    /// Tells whatever is new.
    async fn read_on(&mut self) -> Result<(), Error> {
        loop {
            let filter = EventFilter {
                after: self.told.up_to(),
                limit: PAGE,
                task: None,
                batch: None,
                kind: None,
            };
            let page = self.store.events(&filter).await?;
            if page.is_empty() {
                return Ok(());
            }
            let now = jiff::Timestamp::now();
            for event in page {
                let id = event.id;
                let is_wanted = self.program.wants(&event.kind) && !is_old(now, &event);
                if is_wanted {
                    self.see_to(event).await;
                }
                self.told.event.store(id.0, Ordering::Relaxed);
                if is_wanted || id.0 - self.known.0 >= UNNOTED {
                    self.known = id;
                    self.told.news.notify_one();
                }
            }
        }
    }

    /// Has the program told of an event, or gives it up.
    async fn see_to(&mut self, event: Event) {
        loop {
            if self.standing.is_away(Instant::now()) {
                return self.standing.miss(event);
            }
            let told = tell(&self.settings, &self.store, &event, &self.program.argv).await;
            let Err((why, reason)) = told else {
                if let Some(missed) = self.standing.took() {
                    self.say_what_was_missed(missed).await;
                }
                return;
            };
            match self.standing.failed(Instant::now(), why) {
                Next::Again(pause) => {
                    tracing::warn!(
                        event.id = %event.id, hook.program = self.program.name(), reason,
                        "hook failed: trying again",
                    );
                    tokio::time::sleep(pause).await;
                }
                Next::GiveUp => return self.say(event, reason).await,
                Next::PassOver => return self.standing.miss(event),
            }
        }
    }

    async fn say_what_was_missed(&self, missed: Missed) {
        let reason = format!(
            "events passed it by until it could be told again, this one first: {}",
            missed.number
        );
        self.say(missed.first, reason).await;
    }

    /// Puts on record that the program is not told of an event.
    async fn say(&self, event: Event, reason: String) {
        let program = self.program.name();
        tracing::warn!(
            event.id = %event.id, event.kind = %event.kind, hook.program = program, reason,
            "hook given up: it is not told of this event",
        );
        while let Err(error) = self
            .store
            .hook_failed(event.clone(), program.to_owned(), reason.clone())
            .await
        {
            tracing::warn!(event.id = %event.id, error = %error, "a hook's failure waits for the store");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }
}

/// Whether nobody is told of it any more; one that is of the future, by another clock, is new.
fn is_old(now: jiff::Timestamp, event: &Event) -> bool {
    Duration::try_from(now.duration_since(event.at)).is_ok_and(|age| age > OLD)
}
