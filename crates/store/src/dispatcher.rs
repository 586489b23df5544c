//! dispatcher: which dispatchers there are, what they can run, where they listen.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::ids::{BatchId, DispatcherId};
use crate::open::Store;

/// A profile as a dispatcher publishes it, so that whoever adds a task can be told of a typo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedProfile {
    /// Its name.
    pub name: String,
    /// What it offers.
    pub skills: Vec<String>,
}

/// A dispatcher's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatcher {
    /// This incarnation.
    pub id: DispatcherId,
    /// The stored id of its host.
    pub host_id: String,
    /// The host's name, for people.
    pub host_name: String,
    /// The boot it lives in.
    pub boot_id: String,
    /// Its pid, for people.
    pub pid: i32,
    /// Where it is poked and followed.
    pub socket: PathBuf,
    /// Which version of Tenure it is.
    pub version: String,
    /// How many workers it runs at once.
    pub slots: u32,
    /// What it can run.
    pub profiles: Vec<PublishedProfile>,
    /// The batch it serves, where it serves one only.
    pub batch: Option<BatchId>,
}

/// Held for as long as this process is the store's dispatcher. On SQLite a lock on the file beside
/// the store, which the kernel drops with the process; on PostgreSQL several may hold.
#[derive(Debug)]
pub struct Hold {
    #[expect(dead_code, reason = "held, not read: closing it gives the lock back")]
    lock: Option<std::fs::File>,
}

impl Store {
    /// Becomes the store's dispatcher.
    ///
    /// # Errors
    /// [`Error::Held`] on SQLite where another one is, naming it.
    pub async fn hold(&self) -> Result<Hold, Error> {
        todo!()
    }

    /// Publishes a dispatcher, or again after its profiles changed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn publish(&self, dispatcher: Dispatcher) -> Result<(), Error> {
        let _ = dispatcher;
        todo!()
    }

    /// Notes that a dispatcher lives.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn dispatcher_seen(&self, id: DispatcherId) -> Result<(), Error> {
        let _ = id;
        todo!()
    }

    /// Notes that a dispatcher is gone for good.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn retire(&self, id: DispatcherId) -> Result<(), Error> {
        let _ = id;
        todo!()
    }

    /// Dispatchers that were seen within the last half minute and did not retire. On SQLite the lock decides, so a killed
    /// one is not listed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn living_dispatchers(&self) -> Result<Vec<Dispatcher>, Error> {
        todo!()
    }
}
