//! Where a verb works: the configuration, and the store it names.

use std::time::Duration;

use tenure_dispatcher::hub;
use tenure_guard::TaskId;
use tenure_store::{Store, StoreUrl};

use crate::cli::Global;
use crate::config::{Config, Merged};
use crate::failure::Failure;
use crate::here;

/// How long a poke may take: a dispatcher that hangs looks at the store by itself anyway.
const POKE_PATIENCE: Duration = Duration::from_secs(1);

/// The configuration in force and the store's address.
#[derive(Debug)]
pub struct Place {
    /// The configuration.
    pub config: Config,
    /// The store.
    pub url: StoreUrl,
}

impl Place {
    /// Finds configuration and store for a person's verb.
    ///
    /// # Errors
    /// A wrong configuration; no state folder; inside a worker without an explicit address.
    pub fn find(global: &Global) -> Result<Self, Failure> {
        Self::allowed(global)?;
        Self::configured(global)
    }

    /// Whether a person's verb is meant: a worker names the store that it means.
    ///
    /// # Errors
    /// Inside a worker without an explicit address.
    pub fn allowed(global: &Global) -> Result<(), Failure> {
        if crate::worker::is_inside(global) {
            return Err(Failure::refused(
                "this is a worker (TENURE_TASK_ID is set), which has no store of its own: name one by --db or TENURE_DB",
            ));
        }
        Ok(())
    }

    /// The same without that question: for a worker's own check where it has no warden.
    ///
    /// # Errors
    /// A wrong configuration; no state folder.
    pub fn configured(global: &Global) -> Result<Self, Failure> {
        Self::of(&Config::merge(&global.flags())?)
    }

    /// What all layers together say of it.
    ///
    /// # Errors
    /// As [`Place::configured`].
    pub fn of(merged: &Merged) -> Result<Self, Failure> {
        let config = merged.resolve()?;
        let url = config.store_url()?;
        Ok(Self { config, url })
    }

    /// Opens the store to add to it; makes it where there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(&self) -> Result<Store, Failure> {
        let store = Store::open(&self.url).await?;
        here::count_out_the_dead(&store);
        Ok(store)
    }

    /// Opens the store to read; `None` where there is none yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(&self) -> Result<Option<Store>, Failure> {
        let store = Store::open_existing(&self.url).await?;
        if let Some(store) = &store {
            here::count_out_the_dead(store);
        }
        Ok(store)
    }

    /// Opens the store to read about this task.
    ///
    /// # Errors
    /// The store's; where there is no store there is no such task either.
    pub async fn read_about(&self, task: TaskId) -> Result<Store, Failure> {
        let store = self.read().await?;
        Ok(store.ok_or(tenure_store::Error::NoSuchTask(task))?)
    }

    /// Opens the store to change this task; makes no store for it.
    ///
    /// # Errors
    /// As [`Place::read_about`].
    pub async fn change(&self, task: TaskId) -> Result<Store, Failure> {
        let store = self.writable().await?;
        Ok(store.ok_or(tenure_store::Error::NoSuchTask(task))?)
    }

    /// Opens the store to change what is there; `None` where there is no store yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn writable(&self) -> Result<Option<Store>, Failure> {
        match &self.url {
            StoreUrl::Sqlite(path) if !path.exists() => Ok(None),
            StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => self.open().await.map(Some),
        }
    }
}

/// Tells every living dispatcher that something changed. Who cannot be told looks by itself soon.
pub async fn poke(store: &Store) {
    let Ok(living) = store.living_dispatchers().await else {
        return;
    };
    for dispatcher in living {
        let poke = tokio::time::timeout(POKE_PATIENCE, hub::poke(&dispatcher.socket));
        if !matches!(poke.await, Ok(Ok(()))) {
            tracing::debug!(dispatcher.id = %dispatcher.id, "a dispatcher could not be poked");
        }
    }
}

/// Who speaks, for the record: the user's name.
pub fn by() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}
