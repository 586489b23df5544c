//! The command line of Tenure: configuration, task files, verbs, and what people read.
//!
//! The binaries are three lines each and call [`main_impl`] and [`warden_main`], so that another
//! package can build duplicates of them for its tests. What this crate leaves to others: what is
//! legal (the store), when to run what (the dispatcher), how a worker is stood over (the warden).

mod answer;
mod batch;
mod caller;
mod carriers;
mod cli;
mod config;
mod diagnose;
mod escape;
mod explain;
mod failure;
mod folders;
mod follow;
mod here;
mod hindrance;
mod last_served;
mod limit_keys;
mod log_tail;
mod logging;
mod offered;
mod output;
mod panic;
mod place;
mod progress;
mod reload;
mod run_log;
mod schedule;
mod service_manager;
mod settings;
mod signals;
mod standstill;
mod summary;
mod table;
mod task_file;
mod upgrade;
mod verb;
mod worker;

use std::process::ExitCode;

/// The program `tenure`.
pub fn main_impl() -> ExitCode {
    // Start-up time is paid on every run, so a warden is dispatched before anything heavy.
    if is_dispatched_warden(std::env::args_os().skip(1)) {
        return tenure_warden::main();
    }
    let cli = cli::parse();
    let caller = caller::Caller::of(&cli.global);
    match verb::run(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(&caller),
    }
}

/// The program `tenure-warden`.
pub fn warden_main() -> ExitCode {
    tenure_warden::main()
}

/// `guard exec` and nothing after it: the gate is on the standard input. A command of a person's
/// own would follow; what keeps a hook says so.
fn is_dispatched_warden(mut arguments: impl Iterator<Item = std::ffi::OsString>) -> bool {
    arguments.next().is_some_and(|word| word == "guard")
        && arguments.next().is_some_and(|word| word == "exec")
        && arguments
            .next()
            .is_none_or(|word| word == tenure_warden::hook::ARGUMENT)
        && arguments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_guard_exec_is_a_dispatched_warden() {
        let is = |line: &str| is_dispatched_warden(line.split_whitespace().map(Into::into));
        assert!(is("guard exec"));
        assert!(is("guard exec --hook"));
        for other in [
            "",
            "guard",
            "guard check",
            "guard exec -- true",
            "guard exec --hook x",
            "exec",
        ] {
            assert!(!is(other), "{other:?} was taken for a dispatched warden");
        }
    }
}
