//! Stands over one worker: waits at the gate, starts it, keeps its lease, brokers its reports, ends
//! its tree, hands over its exit.
//!
//! A warden is a small process with one loop in one thread. It leads the session that is the run's;
//! its standard input is a socket to its dispatcher: the [`gate`] first, the [`lifeline`] after. Where
//! there is no dispatcher (started by hand, or the dispatcher died) it speaks to the store itself.
//!
//! This crate is also the one place that knows processes: [`process`] opens, compares and signals
//! them. What it leaves to others: when a run starts and what its end means (dispatcher, store).

pub mod account;
pub mod carry_out;
pub mod cgroup;
pub mod clock;
pub mod evidence;
pub mod gate;
pub mod isolation;
pub mod leftovers;
pub mod lifeline;
pub mod process;
pub mod workspace;

mod broker;
mod by_hand;
mod command;
mod confinement;
mod desk;
mod dispatched;
mod ending;
mod folder;
mod git;
pub mod hook;
mod host;
mod into_cgroup;
mod lease;
mod lines;
mod log;
mod socket_path;
mod stand;
mod tree;
mod uplink;
mod wake;
mod worktree;

use std::process::ExitCode;

pub use by_hand::{ByHand, exec_by_hand};
pub use socket_path::socket_path;

/// The warden that a dispatcher starts, with the gate on its standard input. With the one argument
/// `--build` it says which build it is, so that a dispatcher uses it only where that is its own; with
/// [`hook::ARGUMENT`] it keeps a hook.
pub fn main() -> ExitCode {
    let argument = std::env::args_os().next_back();
    if argument.as_ref().is_some_and(|arg| arg == "--build") {
        println!("{}", build_id());
        return ExitCode::SUCCESS;
    }
    let is_hook = argument.is_some_and(|arg| arg == hook::ARGUMENT);
    let ended = if is_hook {
        hook::run()
    } else {
        dispatched::run()
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tenure-warden: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Names the code that this warden was made of.
pub fn build_id() -> &'static str {
    env!("TENURE_BUILD")
}
