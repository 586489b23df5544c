//! Opening a store: which database, which version, is it ours.

use crate::clock::Clock;
use crate::error::OpenError;
use crate::ids::InstanceId;
use crate::url::StoreUrl;

/// An open store. Cheap to clone; every clone is the same store.
#[derive(Clone, Debug)]
pub struct Store {
    instance: InstanceId,
    url: StoreUrl,
}

impl Store {
    /// Opens a store to write: creates the file (0600) and its folder (0700) where they are
    /// missing, and brings an older schema up to date.
    ///
    /// # Errors
    /// [`OpenError`], each naming the store and the way out; nothing was changed.
    pub async fn open(url: &StoreUrl) -> Result<Self, OpenError> {
        Self::open_with(url, Clock::Database).await
    }

    /// The same with a clock of the caller's, for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(url: &StoreUrl, clock: Clock) -> Result<Self, OpenError> {
        let _ = (url, clock);
        todo!()
    }

    /// Opens a store that exists, creating and changing nothing; `None` where there is none yet.
    ///
    /// # Errors
    /// As [`Store::open`], and [`OpenError::Older`].
    pub async fn open_existing(url: &StoreUrl) -> Result<Option<Self>, OpenError> {
        let _ = url;
        todo!()
    }

    /// The store's name for ever.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// Where it is.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// Checks that the open file is still the one at the path: a replaced WAL database splits
    /// silently into two. Always well on PostgreSQL.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] naming the path.
    pub async fn check_file(&self) -> Result<(), crate::Error> {
        todo!()
    }
}
