//! `guard check` and `guard exec`: the self-check of a worker, alone or before a command.

use std::process::ExitCode;

use tenure_guard::Verdict;

use crate::cli::{Global, Guard};
use crate::failure::Failure;
use crate::{output, worker};

/// Checks, or executes.
pub fn run(global: &Global, verb: Guard) -> Result<ExitCode, Failure> {
    match verb {
        Guard::Check { json } => check(global, json).map(|()| ExitCode::SUCCESS),
        Guard::Exec { command } => super::exec::run(global, command),
    }
}

fn check(global: &Global, json: bool) -> Result<(), Failure> {
    let verdict = worker::check(global)?;
    let printed = match (&verdict, json) {
        (verdict, true) => output::json(verdict),
        (Verdict::Owned, false) => output::line("owned"),
        (Verdict::StandDown { reason }, false) => output::line(format!("stand_down: {reason}")),
    };
    match verdict {
        Verdict::Owned => printed,
        // The code is what counts, whoever reads the output.
        Verdict::StandDown { reason } => tenure_guard::stand_down(&reason),
    }
}
