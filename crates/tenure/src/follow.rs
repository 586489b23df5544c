//! Waiting for changes: a living dispatcher of this host tells of them, else the store itself where it
//! can; beneath it lies a slow poll, which is all there is on a file that no dispatcher serves.

use std::time::Duration;

use tenure_dispatcher::hub::Follow;
use tenure_store::Store;
use tenure_store::watch::Watch;

/// The net beneath, and how often a dispatcher is looked for where none lives.
const NET: Duration = Duration::from_secs(1);

/// Tells when a store may have changed.
#[derive(Debug)]
pub struct Changes {
    store: Store,
    told: Told,
}

/// Who tells.
#[derive(Debug)]
enum Told {
    Dispatcher(Follow),
    Store(Watch),
}

impl Changes {
    /// Begins to follow. What changes from now on is told.
    pub async fn of(store: &Store) -> Self {
        let told = match dispatcher(store).await {
            Some(follow) => Told::Dispatcher(follow),
            None => Told::Store(store.watch()),
        };
        Self {
            store: store.clone(),
            told,
        }
    }

    /// Waits until something may have changed.
    pub async fn next(&mut self) {
        let is_over = match &mut self.told {
            Told::Dispatcher(follow) => {
                let changed = tokio::time::timeout(NET, follow.changed());
                matches!(changed.await, Ok(Err(_)))
            }
            Told::Store(watch) => tokio::time::timeout(NET, watch.next()).await.is_err(),
        };
        if is_over {
            self.look_for_another().await;
        }
    }

    /// Whether a dispatcher of this host tells of changes, as far as is known.
    pub fn is_told(&self) -> bool {
        matches!(self.told, Told::Dispatcher(_))
    }

    /// A watch that told nothing for a while goes on; a dispatcher that lives by now knows at least as
    /// much.
    async fn look_for_another(&mut self) {
        match (dispatcher(&self.store).await, &self.told) {
            (Some(follow), _) => self.told = Told::Dispatcher(follow),
            (None, Told::Dispatcher(_)) => self.told = Told::Store(self.store.watch()),
            (None, Told::Store(_)) => {}
        }
    }
}

/// The first living dispatcher that can be followed from here.
async fn dispatcher(store: &Store) -> Option<Follow> {
    let living = store.living_dispatchers().await.unwrap_or_default();
    for dispatcher in living {
        let follow = tokio::time::timeout(NET, Follow::connect(&dispatcher.socket));
        if let Ok(Ok(follow)) = follow.await {
            return Some(follow);
        }
    }
    None
}
