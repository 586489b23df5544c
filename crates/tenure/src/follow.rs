//! Waiting for changes: a living dispatcher tells of them; beneath it lies a slow poll, which is all
//! there is where no dispatcher lives.

use std::time::Duration;

use tenure_dispatcher::hub::Follow;
use tenure_store::Store;

/// The net beneath, and how often a dispatcher is looked for where none lives.
const NET: Duration = Duration::from_secs(1);

/// Tells when a store may have changed.
#[derive(Debug)]
pub struct Changes {
    store: Store,
    told: Option<Follow>,
}

impl Changes {
    /// Begins to follow. What changes from now on is told.
    pub async fn of(store: &Store) -> Self {
        let mut changes = Self {
            store: store.clone(),
            told: None,
        };
        changes.connect().await;
        changes
    }

    /// Waits until something may have changed.
    pub async fn next(&mut self) {
        let Some(follow) = &mut self.told else {
            tokio::time::sleep(NET).await;
            self.connect().await;
            return;
        };
        match tokio::time::timeout(NET, follow.changed()).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(_)) => {
                self.told = None;
                self.connect().await;
            }
        }
    }

    /// Whether a dispatcher tells of changes, as far as is known.
    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }

    async fn connect(&mut self) {
        let living = self.store.living_dispatchers().await.unwrap_or_default();
        for dispatcher in living {
            let follow = tokio::time::timeout(NET, Follow::connect(&dispatcher.socket));
            if let Ok(Ok(follow)) = follow.await {
                self.told = Some(follow);
                return;
            }
        }
    }
}
