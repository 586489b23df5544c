//! Has hooks told of events, where that is ours: of several dispatchers that share a store one tells, and
//! the others look now and then whether it still does. Notes up to where every program is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenure_store::{Error, EventId, Store};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::messenger::{Messenger, Told};
use crate::settings::Settings;

/// How long a dispatcher holds the telling without a word: another takes it up after that.
const HOLD: Duration = Duration::from_secs(30);

/// How long after a store that did not answer it is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The telling of a dispatcher. Dropping it ends what is being told; that is told again by whoever
/// comes next.
#[derive(Debug)]
pub(crate) struct Herald {
    settings: watch::Sender<Arc<Settings>>,
    task: JoinHandle<()>,
}

impl Herald {
    /// Begins to tell, by these settings. `changes` says that there may be new events.
    pub(crate) fn start(
        settings: Arc<Settings>,
        store: Store,
        changes: watch::Receiver<u64>,
    ) -> Self {
        let (settings, follow) = watch::channel(settings);
        let heralding = Heralding {
            store,
            settings: follow,
            changes,
        };
        Self {
            settings,
            task: tokio::spawn(heralding.go_on()),
        }
    }

    /// Goes on by other settings.
    pub(crate) fn follow(&self, settings: Arc<Settings>) {
        self.settings.send_replace(settings);
    }
}

impl Drop for Herald {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Heralding {
    store: Store,
    settings: watch::Receiver<Arc<Settings>>,
    changes: watch::Receiver<u64>,
}

impl Heralding {
    async fn go_on(mut self) {
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            // One that serves a batch is there for that alone.
            let is_on = !settings.hooks.is_empty() && settings.batch.is_none();
            let look = if is_on {
                match self.tell(&settings).await {
                    Ok(look) => look,
                    Err(error) => {
                        tracing::warn!(error = %error, "hooks wait for the store");
                        Some(STORE_PAUSE)
                    }
                }
            } else {
                None
            };
            let look = async {
                match look {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.settings.changed() => if changed.is_err() { return },
                () = look => {}
            }
        }
    }

    /// Tells, where that is ours, until it is not any more or other hooks are in force; when to look
    /// again.
    async fn tell(&mut self, settings: &Arc<Settings>) -> Result<Option<Duration>, Error> {
        let held_at = Instant::now();
        let Some(from) = self.store.hold_hooks(settings.id, HOLD).await? else {
            return Ok(Some(settings.poll));
        };
        let mut telling = Telling::start(settings, &self.store, &self.changes, from, held_at);
        loop {
            tokio::select! {
                changed = self.settings.changed() => {
                    let hooks = &self.settings.borrow_and_update().hooks;
                    if changed.is_err() || *hooks != settings.hooks {
                        return Ok(Some(Duration::ZERO));
                    }
                }
                () = telling.has_news(self.store.is_shared()) => {
                    if !telling.note(settings, &self.store).await {
                        return Ok(Some(settings.poll));
                    }
                }
            }
        }
    }
}

/// The messengers at work. Dropping it ends them.
struct Telling {
    news: Arc<Notify>,
    told: Vec<Arc<Told>>,
    /// From when the telling is ours for [`HOLD`], on a store that others share.
    held_at: Instant,
    #[expect(dead_code, reason = "held, not read: dropping it ends the messengers")]
    messengers: JoinSet<()>,
}

impl Telling {
    /// Has every program told of what comes after an event.
    fn start(
        settings: &Arc<Settings>,
        store: &Store,
        changes: &watch::Receiver<u64>,
        from: EventId,
        held_at: Instant,
    ) -> Self {
        let news = Arc::new(Notify::new());
        let mut messengers = JoinSet::new();
        let mut told = Vec::new();
        for program in settings.hooks.programs() {
            let up_to = Arc::new(Told::new(from, Arc::clone(&news)));
            told.push(Arc::clone(&up_to));
            let messenger = Messenger::new(
                program,
                Arc::clone(settings),
                store.clone(),
                changes.clone(),
                up_to,
            );
            messengers.spawn(messenger.go_on());
        }
        Self {
            news,
            told,
            held_at,
            messengers,
        }
    }

    /// Until there is something to note, or the hold is to be renewed.
    async fn has_news(&self, is_shared: bool) {
        let hold_on = async {
            if is_shared {
                let at = self.held_at + HOLD / 3;
                tokio::time::sleep_until(at.into()).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.news.notified() => {}
            () = hold_on => {}
        }
    }

    /// Notes up to where every program is told, and holds on; whether the telling is still ours.
    async fn note(&mut self, settings: &Settings, store: &Store) -> bool {
        let held_at = Instant::now();
        let Some(told) = self.told.iter().map(|told| told.up_to()).min() else {
            return false;
        };
        match store.hooks_told(settings.id, told, HOLD).await {
            Ok(is_ours) => {
                self.held_at = held_at;
                is_ours
            }
            Err(error) => {
                // What is told is told; only who comes next would tell it again.
                tracing::debug!(error = %error, "not noted yet up to which event hooks were told");
                tokio::time::sleep(STORE_PAUSE).await;
                self.news.notify_one();
                !store.is_shared() || Instant::now() < self.held_at + HOLD
            }
        }
    }
}
