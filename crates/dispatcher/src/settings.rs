//! What a dispatcher is told at its start. Resolved and validated by whoever read the
//! configuration; nothing here is a default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tenure_store::dispatcher::PublishedProfile;
use tenure_store::life::LimitsLayer;
use tenure_store::{BatchId, DispatcherId};
use tenure_warden::cgroup::Cgroups;
use tenure_warden::isolation::{Isolation, Workspace};

use crate::hook::Hooks;
use crate::template::Template;

/// Everything a dispatcher needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// This incarnation.
    pub id: DispatcherId,
    /// The host it runs on.
    pub host: Host,
    /// Workers at once; at least 1.
    pub slots: u32,
    /// What this host has that profiles and tasks may require.
    pub labels: Vec<String>,
    /// How long a claim stands without renewal; at least 6 s.
    pub lease: Duration,
    /// From SIGTERM to SIGKILL.
    pub kill_grace: Duration,
    /// From a report to the end of the tree.
    pub finish_grace: Duration,
    /// The net beneath the pokes.
    pub poll: Duration,
    /// How much of a run's log is kept, in bytes; the newest is.
    pub log_max_bytes: u64,
    /// What [`crate::Control`] a SIGTERM means; for the process around the dispatcher.
    pub on_stop: OnStop,
    /// `[defaults]`, beneath every profile's limits.
    pub defaults: LimitsLayer,
    /// The profiles by name, the reserved `shell` among them.
    pub profiles: BTreeMap<String, Profile>,
    /// Which programs are told of which events.
    pub hooks: Hooks,
    /// The environment that `pass_env` chooses from.
    pub environment: BTreeMap<OsString, OsString>,
    /// The state folder; holds the host's id.
    pub state: PathBuf,
    /// This store's part of the state folder: `stores/<instance id>`. Holds sockets and `runs/`.
    pub folder: PathBuf,
    /// How many files a worker may have open where its profile says nothing: what this process was
    /// given, and not what the dispatcher takes for itself.
    pub open_files: u64,
    /// The program that workers find as `TENURE_BIN`.
    pub bin: PathBuf,
    /// Where runs get cgroups, and what keeps their limits.
    pub cgroups: Cgroups,
    /// What stands over workers.
    pub warden: WardenProgram,
    /// The batch to serve, where it is one only.
    pub batch: Option<BatchId>,
}

impl Settings {
    /// The profiles as others see them.
    pub(crate) fn published(&self) -> Vec<PublishedProfile> {
        let publish = |(name, profile): (&String, &Profile)| PublishedProfile {
            name: name.clone(),
            skills: profile.skills.clone(),
            requires: profile.requires.clone(),
            max_running: profile.max_running,
            limits: profile.limits.clone().into(),
            defaults: self.defaults.clone().into(),
        };
        self.profiles.iter().map(publish).collect()
    }

    /// These settings for an incarnation that lives already.
    pub(crate) fn for_incarnation_of(self, living: &Self) -> Self {
        let Self {
            id,
            host,
            state,
            folder,
            bin,
            warden,
            batch,
            environment,
            open_files,
            ..
        } = living.clone();
        Self {
            id,
            host,
            environment,
            state,
            folder,
            open_files,
            bin,
            warden,
            batch,
            ..self
        }
    }
}

/// A host: its stored id, and its name for people.
#[derive(Clone, Debug)]
pub struct Host {
    /// Stored in the state folder; a host is never known by its name.
    pub id: String,
    /// What `hostname` says.
    pub name: String,
}

/// What a SIGTERM means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStop {
    /// Workers live on.
    Detach,
    /// Wait for them.
    Drain,
    /// End them.
    Terminate,
}

/// A named worker recipe.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The argv; `None` only for `shell`, whose tasks bring their own.
    pub command: Option<Vec<Template>>,
    /// Its limits, over `[defaults]`.
    pub limits: LimitsLayer,
    /// What it offers.
    pub skills: Vec<String>,
    /// Which labels a dispatcher must have to run it.
    pub requires: Vec<String>,
    /// How many run at once across all dispatchers of the store.
    pub max_running: Option<u32>,
    /// Its environment; a task's own comes over it.
    pub env: BTreeMap<String, String>,
    /// What it asks of the kernel.
    pub isolation: Isolation,
    /// Where its workers work.
    pub workspace: Workspace,
    /// Names passed on from the dispatcher's environment; a trailing `*` stands for any rest.
    pub pass_env: Vec<String>,
}

/// The program that stands over workers.
#[derive(Clone, Debug)]
pub struct WardenProgram {
    /// The file.
    pub path: PathBuf,
    /// Its arguments: none for `tenure-warden`, `guard exec` for `tenure` itself.
    pub args: Vec<&'static str>,
}
