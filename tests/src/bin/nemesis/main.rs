//! Lets hosts, links, clocks and the server fail under three dispatchers that share it, by a seed, and
//! looks whether anything comes of it that must not.
//!
//! ```text
//! cargo build -p tenure-tests --bins && target/debug/nemesis [--steps N] [--calm N] [--seed S]
//! ```
//!
//! It takes root, and makes everything in namespaces of its own: a PostgreSQL server, and three hosts,
//! each with its own network, processes, boot ids, `/etc` and wall clock. All of that ends with the
//! program, however it ends. Each step is a fault that lasts a while; several last at once. After every
//! `--calm` steps all faults end, and the time is taken until all is well again.
//!
//! Workers have effects on a thing outside that takes none from a run below the highest that it saw, and
//! tell when they live. They heed nobody, so that they end in time only where somebody ends them. Once
//! nothing runs any more: every task is done, by one run that completed, with one effect; no effect was
//! taken from a run after the next one was claimed; no worker outlived its lease, unless its warden was
//! stopped or killed; and all was well again within the lease and 5 s of the last fault's end.

mod asking;
mod effects;
mod fault;
mod field;
mod figures;
mod healing;
mod host;
mod judge;
mod link;
mod load;
mod nemesis;
mod overrun;
mod place;
mod server;
mod shell;
mod watch;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Uid;
use tenure_tests::flags::Flags;

use crate::field::Field;

const FLAGS: [(&str, u64); 3] = [("steps", 10_000), ("calm", 25), ("seed", 1)];

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("first") => return be_first(&arguments[1..]),
        Some("inside") => drop(arguments.remove(0)),
        Some(_) | None => return enter(&arguments),
    }
    let flags = Flags::read(&FLAGS, arguments).expect("they were understood outside");
    let began = Instant::now();
    let (seed, steps) = (flags.get("seed"), flags.get("steps"));
    let mut field = Field::make(seed);
    let found = field.play(flags.count("steps"), flags.count("calm"));
    figures::print(&field, &found, seed, steps, began.elapsed());
    ExitCode::from(u8::from(!found.wrong.is_empty()))
}

/// Becomes the same program in namespaces of its own.
fn enter(arguments: &[String]) -> ExitCode {
    if let Err(usage) = Flags::read(&FLAGS, arguments.iter().cloned()) {
        eprintln!("{usage}");
        return ExitCode::from(2);
    }
    if !Uid::effective().is_root() {
        eprintln!("only root can make hosts: run this as root");
        return ExitCode::from(2);
    }
    let error = Command::new("unshare")
        .args([
            "--mount",
            "--net",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "--",
        ])
        .arg(std::env::current_exe().expect("this program has a path"))
        .arg("first")
        .args(arguments)
        .exec();
    eprintln!("unshare cannot be executed: {error}");
    ExitCode::FAILURE
}

/// The first process of the namespace collects whoever lost its parent, until the one that it started
/// ends; then all others do.
fn be_first(arguments: &[String]) -> ExitCode {
    let us = std::env::current_exe().expect("this program has a path");
    let child = Command::new(us).arg("inside").args(arguments).spawn();
    let child = i32::try_from(child.expect("this program can be started").id()).ok();
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if Some(pid.as_raw()) == child => {
                return ExitCode::from(u8::try_from(code).unwrap_or(1));
            }
            Ok(WaitStatus::Signaled(pid, ..)) if Some(pid.as_raw()) == child => {
                return ExitCode::FAILURE;
            }
            Ok(_) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}
