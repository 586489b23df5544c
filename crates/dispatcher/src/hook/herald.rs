//! Reads events as they come, and has hooks told of them, a few at once. Told that something changed it
//! reads on; where several dispatchers share a store one of them tells, and the others look now and
//! then whether it still does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenure_store::event::Event;
use tenure_store::hook::OLD;
use tenure_store::read::EventFilter;
use tenure_store::{Error, EventId, Store};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::tell::tell;
use super::window::Window;
use crate::settings::Settings;

/// How many are told at once: each is a process or two, and they shall not crowd out the work.
const AT_ONCE: usize = 4;

/// How many events are read at once.
const PAGE: u32 = 64;

/// How long a dispatcher holds the telling without a word: another takes it up after that.
const HOLD: Duration = Duration::from_secs(30);

/// How many events nobody wants may pass before that is noted.
const UNNOTED: i64 = 1000;

/// Whether nobody is told of it any more; one that is of the future, by another clock, is new.
fn is_old(now: jiff::Timestamp, event: &Event) -> bool {
    Duration::try_from(now.duration_since(event.at)).is_ok_and(|age| age > OLD)
}

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
            position: None,
            noted: EventId(0),
            held_until: None,
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
    /// Up to where events were read; what came before was told, or nobody wants it.
    position: Option<EventId>,
    /// Up to where the store knows of that.
    noted: EventId,
    /// Until when the telling is ours, on a store that others share.
    held_until: Option<Instant>,
}

impl Heralding {
    async fn go_on(mut self) {
        loop {
            // Before the reading: what comes meanwhile is a change.
            self.changes.mark_unchanged();
            let settings = Arc::clone(&self.settings.borrow_and_update());
            // One that serves a batch is there for that alone.
            let is_on = !settings.hooks.is_empty() && settings.batch.is_none();
            let told = if is_on {
                self.read_on(&settings).await
            } else {
                Ok(())
            };
            if let Err(error) = told {
                tracing::warn!(error = %error, "hooks wait for the store");
                tokio::time::sleep(STORE_PAUSE).await;
                continue;
            }
            let look = async {
                if is_on && self.store.is_shared() {
                    tokio::time::sleep(settings.poll).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                changed = self.changes.changed() => if changed.is_err() { return },
                changed = self.settings.changed() => if changed.is_err() { return },
                () = look => {}
            }
        }
    }

    /// Tells whatever is new, where it is ours to tell.
    async fn read_on(&mut self, settings: &Arc<Settings>) -> Result<(), Error> {
        while let Some(position) = self.hold(settings).await? {
            let filter = EventFilter {
                after: position,
                limit: PAGE,
                task: None,
                batch: None,
                kind: None,
            };
            let page = self.store.events(&filter).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.tell_all(settings, position, page).await?;
        }
        Ok(())
    }

    /// Makes sure that the telling is ours, and says from where it goes on.
    async fn hold(&mut self, settings: &Settings) -> Result<Option<EventId>, Error> {
        let is_held = match self.held_until {
            Some(until) => !self.store.is_shared() || Instant::now() + HOLD / 2 < until,
            None => false,
        };
        if !is_held {
            let until = Instant::now() + HOLD;
            let Some(told) = self.store.hold_hooks(settings.id, HOLD).await? else {
                self.held_until = None;
                return Ok(None);
            };
            self.held_until = Some(until);
            self.noted = told;
            self.position = Some(self.position.map_or(told, |position| position.max(told)));
        }
        Ok(self.position)
    }

    async fn tell_all(
        &mut self,
        settings: &Arc<Settings>,
        position: EventId,
        page: Vec<Event>,
    ) -> Result<(), Error> {
        let mut window = Window::new(position);
        let mut telling = JoinSet::new();
        let mut begun = false;
        let now = jiff::Timestamp::now();
        for event in page {
            let is_wanted = !settings.hooks.of(event.kind).is_empty();
            if !is_wanted || is_old(now, &event) {
                window.pass(event.id);
                continue;
            }
            while telling.len() >= AT_ONCE {
                self.one_is_told(settings, &mut telling, &mut window).await;
            }
            begun = true;
            window.begin(event.id);
            let (settings, store) = (Arc::clone(settings), self.store.clone());
            telling.spawn(async move {
                let id = event.id;
                tell(settings, store, event).await;
                id
            });
        }
        while !telling.is_empty() {
            self.one_is_told(settings, &mut telling, &mut window).await;
        }
        self.position = Some(window.read());
        let is_behind = begun && self.noted < window.read();
        if is_behind || window.read().0 - self.noted.0 >= UNNOTED {
            self.note(settings, window.read()).await?;
        }
        Ok(())
    }

    /// Waits until one more is told, and notes that. A store that is away is told later: what is told
    /// is told, and needs it no more.
    async fn one_is_told(
        &mut self,
        settings: &Settings,
        telling: &mut JoinSet<EventId>,
        window: &mut Window,
    ) {
        tokio::select! {
            Some(told) = telling.join_next() => {
                if let Ok(event) = told {
                    window.done(event);
                }
            }
            // Holds on.
            () = tokio::time::sleep(HOLD / 3) => {}
        }
        if let Err(error) = self.note(settings, window.told()).await {
            tracing::debug!(error = %error, "not noted yet up to which event hooks were told");
        }
    }

    async fn note(&mut self, settings: &Settings, told: EventId) -> Result<(), Error> {
        let until = Instant::now() + HOLD;
        let is_ours = self.store.hooks_told(settings.id, told, HOLD).await?;
        self.noted = told;
        self.held_until = is_ours.then_some(until);
        Ok(())
    }
}
