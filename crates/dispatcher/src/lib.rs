//! Claims runnable tasks, starts a warden over each, and sees every run to its end.
//!
//! What it leaves to others: what a worker does and when its tree is dead (the warden), what is
//! legal and what an end means (the store), where settings come from and what people read (the
//! command line).

mod act;
mod action;
mod clone;
mod core;
mod descriptors;
mod elsewhere;
mod environment;
mod event;
pub mod examine;
mod folder;
mod hold_back;
mod hook;
pub mod hub;
mod line;
mod orphan;
mod prove;
mod pulse;
mod reap;
pub mod recover;
mod serve;
pub mod settings;
mod spawn;
pub mod template;
mod wake;

use tokio::sync::oneshot;

pub use hook::Hooks;
pub use pulse::{Heart, Pulse};
pub use serve::run;
pub use settings::{Host, OnStop, Profile, Settings, WardenProgram};

/// What the process around a dispatcher tells it.
#[derive(Debug)]
pub enum Instruction {
    /// Stop.
    Stop(Control),
    /// Leave the runs to their wardens and finish, so that this process can become another program; why
    /// not is said here, and everything goes on.
    HandOn(oneshot::Sender<String>),
    /// Go on by these settings: new runs follow them, those that are open keep what they were started
    /// with. What belongs to this incarnation (its id, host, folders, programs, batch) stays.
    Reload(Box<Settings>),
}

/// Why a dispatcher finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It was told to stop, or its batch is over.
    ForGood,
    /// Another incarnation is to take its place, as [`Instruction::HandOn`] says.
    ForTheNext,
}

/// How a dispatcher stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Claim nothing new; finish when the last run has ended.
    Drain,
    /// End the runs, leave their tasks ready, and finish.
    Terminate,
    /// The same without grace: SIGKILL at once.
    Kill,
    /// Finish now; the wardens go on by themselves.
    Detach,
}

impl std::fmt::Display for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Drain => "drain",
            Self::Terminate => "terminate",
            Self::Kill => "kill",
            Self::Detach => "detach",
        })
    }
}

/// Why a dispatcher could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something of the machine failed: names what, and the path.
    #[error("{what}")]
    Machine {
        /// What could not be done, and where.
        what: String,
        /// The kernel's word.
        #[source]
        source: std::io::Error,
    },
    /// Another machine lives under this host's id.
    #[error(
        "{twin} lives under this host's id, so this host or its state was copied from there: remove {} here to have a new id made",
        file.display()
    )]
    ClonedHost {
        /// Where the id is.
        file: std::path::PathBuf,
        /// Who else has it.
        twin: String,
    },
    /// The store failed for good.
    #[error(transparent)]
    Store(#[from] tenure_store::Error),
}
