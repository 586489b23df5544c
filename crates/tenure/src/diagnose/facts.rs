//! All that the rules judge by. How it is found out is the verb's to know.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tenure_dispatcher::examine::Examined;
use tenure_guard::{RunId, TaskId};
use tenure_store::DispatcherId;
use tenure_store::duration;
use tenure_store::read::{LastServed, Serving};
use tenure_store::suspects::Suspects;

use tenure_store::offered::Offered;

use crate::caller::Caller;

/// All of it.
#[derive(Debug)]
pub struct Facts {
    /// What looks wrong in the store, or of one task.
    pub suspects: Suspects,
    /// What is the same whichever task is looked at.
    pub around: Arc<Surroundings>,
}

/// What lives, and what is on offer.
#[derive(Debug)]
pub struct Surroundings {
    /// Dispatchers that live.
    pub serving: Vec<Serving>,
    /// Who served the store last, where nobody does.
    pub last_served: Option<LastServed>,
    /// Those of them that live here and whose process somebody stopped.
    pub stopped: HashSet<DispatcherId>,
    /// The profiles that there are.
    pub offered: Offered,
    /// Open runs, and in whose hands they are.
    pub runs: Vec<Examined>,
    /// Processes of runs that are not open.
    pub left: Vec<Left>,
    /// How store and configuration were named.
    pub caller: Caller,
    /// Where this is; `None` where nothing has ever run here.
    pub here: Option<Here>,
}

/// Processes here that carry a run which is closed, or which the store does not know.
#[derive(Clone, Debug)]
pub struct Left {
    /// The run.
    pub run: RunId,
    /// Its task, where the store knows the run.
    pub task: Option<TaskId>,
    /// The processes.
    pub pids: Vec<i32>,
}

/// This host and this boot of it.
#[derive(Clone, Debug)]
pub struct Here {
    /// Its stored id.
    pub host: String,
    /// The kernel's word for the boot.
    pub boot: String,
}

impl std::ops::Deref for Facts {
    type Target = Surroundings;

    fn deref(&self) -> &Surroundings {
        &self.around
    }
}

impl Facts {
    /// How long ago a time was, in words.
    pub fn ago(&self, then: Timestamp) -> String {
        words(self.since(then))
    }

    /// How long it is until a time, in words.
    pub fn until(&self, then: Timestamp) -> String {
        words(then.duration_since(self.suspects.now))
    }

    /// How long ago a time was.
    pub fn since(&self, then: Timestamp) -> jiff::SignedDuration {
        self.suspects.now.duration_since(then)
    }

    /// Whether some dispatcher lives that takes tasks of any batch, and so knows what is on offer. Else
    /// the configuration of whoever asks stands in, and a dispatcher's may have what that lacks.
    pub fn is_offer_known(&self) -> bool {
        let mut serving = self.serving.iter();
        serving.any(|one| one.dispatcher.batch.is_none())
    }

    /// Whether a dispatcher lives on this host.
    pub fn is_served_here(&self) -> bool {
        self.serving.iter().any(|one| self.is_here(one))
    }

    /// Whether a dispatcher's process is on this host.
    pub fn is_here(&self, serving: &Serving) -> bool {
        let host = self.here.as_ref().map(|here| here.host.as_str());
        Some(serving.dispatcher.process.host_id.as_str()) == host
    }
}

/// In whole seconds: finer is no more telling.
fn words(time: jiff::SignedDuration) -> String {
    duration::format(Duration::from_secs(time.as_secs().max(0).unsigned_abs()))
}
