//! The words of a worker, and its self-check. `block`, `complete` and `comment`, which are people's
//! too, stand with theirs in [`super::people`].

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};
use tenure_store::duration;

use super::value::words;

#[derive(Debug, Args)]
pub struct Heartbeat {
    /// What is being done
    #[arg(long, allow_hyphen_values = true)]
    pub note: Option<String>,
    /// Not for people
    #[arg(hide = true)]
    pub id: Option<String>,
}

#[derive(Debug, Args)]
pub struct Defer {
    /// How long; without it the task's `defer_for`
    #[arg(long = "for", value_name = "D", value_parser = duration::parse)]
    pub wait: Option<Duration>,
    /// In words
    #[arg(long, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Not for people
    #[arg(hide = true)]
    pub id: Option<String>,
}

#[derive(Debug, Args)]
pub struct Fail {
    /// In words
    #[arg(long, value_parser = words, allow_hyphen_values = true)]
    pub reason: String,
    /// Not for people
    #[arg(hide = true)]
    pub id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Guard {
    /// Is the task still mine? Exits 0 or 79
    Check {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Check, then run a command under a warden
    Exec {
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
}
