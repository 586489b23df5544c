//! The gate: what a dispatcher tells a warden before anything runs. One JSON object a line.
//!
//! First the [`Brief`]: everything about the run, so that the warden can prepare while the dispatcher
//! commits the start. Then the [`Word`]. Before the brief end of file means that there is nothing to
//! stand over, and the warden goes without a trace; after it, that the command will never start: then
//! the warden closes its own claim as "never started".
//!
//! **Invariant:** either the command runs or the warden says that it never started. A word that
//! comes later than that is not heard.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_guard::{Reason, Tenure};
use tenure_store::life::Protocol;

use crate::cgroup::Cgroups;
use crate::clock::BootInstant;
use crate::isolation::{Isolation, Workspace};

/// The version of gate and lifeline. A dispatcher of version N+1 speaks N.
pub const VERSION: u32 = 1;

/// Everything a warden needs to know about its run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Brief {
    /// The version of gate and lifeline.
    pub v: u32,
    /// The fence.
    pub tenure: Tenure,
    /// The command: an argv, its program looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// The worker's whole environment.
    pub env: BTreeMap<String, String>,
    /// What the task is about. Where the command runs is [`Workspace::place`] of it.
    pub cwd: PathBuf,
    /// The run's folder: its log is in it, and what a warden writes as a last resort.
    pub folder: PathBuf,
    /// How much of the log is kept, in bytes; the newest is.
    pub log_max_bytes: u64,
    /// How many files the worker may have open where its profile says nothing; by default what the
    /// warden may.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// What the profile asks of the kernel.
    pub isolation: Isolation,
    /// Where the run's cgroup is made, and what keeps its limits.
    pub cgroups: Cgroups,
    /// What `cwd` means to the worker.
    pub workspace: Workspace,
    /// Where the warden answers its worker.
    pub socket: PathBuf,
    /// How long a lease is.
    pub lease: Duration,
    /// From SIGTERM to SIGKILL.
    pub kill_grace: Duration,
    /// From a report to the end of the tree.
    pub finish_grace: Duration,
    /// Whether exit 0 alone is a success, so that the worker's room is cleared away.
    pub protocol: Protocol,
    /// How long the run may take.
    pub max_runtime: Option<Duration>,
    /// How long the worker may be silent.
    pub heartbeat_timeout: Option<Duration>,
    /// The store's address, credentials included: a pipe is the only way it may take.
    pub store: String,
}

/// The word at the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum Word {
    /// The start is committed: let the command go.
    Go {
        /// The lease's end, taken before the start was sent to the store.
        lease_end: BootInstant,
        /// When the run's time is up, in RFC 3339, where it has a limit: for the worker to read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        deadline: Option<String>,
    },
    /// The start found the claim gone.
    StandDown {
        /// Why.
        reason: Reason,
    },
}
