//! What a profile asks of the kernel for its workers, beyond what every worker gets.

use std::collections::BTreeMap;

use nix::sys::resource::Resource;
use serde::{Deserialize, Serialize};

/// What a worker may and may not, where its profile says so. Nothing is asked by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolation {
    /// The user, by name, whose worker it is; the worker's half of the run folder belongs to it.
    pub user: Option<String>,
    /// The file mode bits that new files lack.
    pub umask: Option<u32>,
    /// How nice it is to others, from -20 to 19.
    pub nice: Option<i32>,
    /// Limits by their name without `RLIMIT_`, in lower case, like `nofile`; `None` is no limit.
    pub rlimits: BTreeMap<String, Option<u64>>,
    /// How much memory the whole tree may take, in bytes.
    pub memory_max: Option<u64>,
    /// How many processes and threads the whole tree may have.
    pub pids_max: Option<u64>,
    /// Whether no program of it can gain what its user has not (set-user-id and the like).
    pub no_new_privs: bool,
}

/// Where a worker works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    /// In the task's `cwd`.
    #[default]
    Dir,
    /// In an empty folder of the run's own.
    Scratch,
    /// In a git worktree of the run's own, of the repository that the task's `cwd` is in.
    Worktree,
}

/// A limit of getrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    /// Its name without `RLIMIT_`, in lower case.
    pub name: &'static str,
    /// Whether it counts bytes.
    pub is_bytes: bool,
    resource: Resource,
}

impl Rlimit {
    const fn bytes(name: &'static str, resource: Resource) -> Self {
        Self {
            name,
            is_bytes: true,
            resource,
        }
    }

    const fn count(name: &'static str, resource: Resource) -> Self {
        Self {
            name,
            is_bytes: false,
            resource,
        }
    }

    /// The limit of this name.
    pub fn find(name: &str) -> Option<Self> {
        RLIMITS.into_iter().find(|limit| limit.name == name)
    }

    /// What the kernel knows it by.
    pub(crate) fn resource(self) -> Resource {
        self.resource
    }
}

/// All there are.
pub const RLIMITS: [Rlimit; 16] = [
    Rlimit::bytes("as", Resource::RLIMIT_AS),
    Rlimit::bytes("core", Resource::RLIMIT_CORE),
    Rlimit::count("cpu", Resource::RLIMIT_CPU),
    Rlimit::bytes("data", Resource::RLIMIT_DATA),
    Rlimit::bytes("fsize", Resource::RLIMIT_FSIZE),
    Rlimit::count("locks", Resource::RLIMIT_LOCKS),
    Rlimit::bytes("memlock", Resource::RLIMIT_MEMLOCK),
    Rlimit::bytes("msgqueue", Resource::RLIMIT_MSGQUEUE),
    Rlimit::count("nice", Resource::RLIMIT_NICE),
    Rlimit::count("nofile", Resource::RLIMIT_NOFILE),
    Rlimit::count("nproc", Resource::RLIMIT_NPROC),
    Rlimit::bytes("rss", Resource::RLIMIT_RSS),
    Rlimit::count("rtprio", Resource::RLIMIT_RTPRIO),
    Rlimit::count("rttime", Resource::RLIMIT_RTTIME),
    Rlimit::count("sigpending", Resource::RLIMIT_SIGPENDING),
    Rlimit::bytes("stack", Resource::RLIMIT_STACK),
];
