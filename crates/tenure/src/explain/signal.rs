//! Signals and exit codes in words, and who may have sent what.

use nix::sys::signal::Signal;
use tenure_guard::exit_code;
use tenure_store::life::CoreDump;

/// A signal by its number and its name.
pub fn named(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => format!("signal {number} ({})", signal.as_str()),
        Err(_) => format!("signal {number}"),
    }
}

/// Where a signal comes from that nobody of Tenure sent.
pub fn origin(number: i32) -> &'static str {
    match Signal::try_from(number) {
        Ok(Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE | Signal::SIGSYS) => {
            "the kernel sends it for a fault of the program itself"
        }
        Ok(Signal::SIGABRT | Signal::SIGTRAP) => "a program mostly sends it to itself, to abort",
        Ok(Signal::SIGXCPU) => "the kernel sends it at the limit of processor time (rlimits.cpu)",
        Ok(Signal::SIGXFSZ) => "the kernel sends it at the limit of a file's size (rlimits.fsize)",
        Ok(Signal::SIGPIPE) => "the kernel sends it to who writes where nobody reads any more",
        Ok(Signal::SIGKILL) => {
            "not by Tenure: a person, a program of the same user or root, or the kernel's OOM killer where it could not be asked"
        }
        Ok(_) | Err(_) => "not by Tenure: a person, or a program of the same user or root",
    }
}

/// Where a core is that the kernel dumped: by the pattern that was in force then.
pub fn dumped(core: &CoreDump) -> String {
    let whereto = match core.pattern.as_deref() {
        None | Some("") => "where it puts them could not be read".to_owned(),
        Some(pattern) => match pattern.split_at_checked(1) {
            Some(("|", command)) => format!("it handed it to {}", taken(command)),
            Some(("@", socket)) => format!("it sent it to the socket {socket}"),
            Some(("/", _)) => format!("it is a file by the pattern {pattern} of core(5)"),
            _ => format!(
                "it is a file by the pattern {pattern} of core(5), in the folder where the process was"
            ),
        },
    };
    format!("the kernel dumped its core: {whereto}")
}

/// The program that takes cores, and how its catch is looked at where that is known.
fn taken(command: &str) -> String {
    let program = command.split_whitespace().next().unwrap_or(command);
    if program.ends_with("/systemd-coredump") {
        format!("{program} (`coredumpctl list` shows it)")
    } else {
        program.to_owned()
    }
}

/// An exit code with what it says by convention.
pub fn code(code: i32) -> String {
    let meaning = match code {
        exit_code::DONE => "success",
        exit_code::TRY_LATER => "try later",
        exit_code::NOT_OWNER => "not the owner",
        126 => "a shell says so where a program could not be executed",
        127 => "a shell says so where a program was not found",
        129..=192 => {
            return format!(
                "exit code {code} (a shell says so after {})",
                named(code - 128)
            );
        }
        _ => return format!("exit code {code}"),
    };
    format!("exit code {code} ({meaning})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_said_to_be_where_the_kernels_pattern_says() {
        let said = |pattern: Option<&str>| {
            let pattern = pattern.map(str::to_owned);
            dumped(&CoreDump { pattern })
        };
        for (pattern, words) in [
            (None, "could not be read"),
            (Some("core"), "in the folder where the process was"),
            (Some("/var/crash/core.%p"), "pattern /var/crash/core.%p of"),
            (Some("|/bin/take %P %u"), "handed it to /bin/take"),
            (
                Some("|/usr/lib/systemd/systemd-coredump %P"),
                "systemd-coredump (`coredumpctl list` shows it)",
            ),
            (Some("@/run/cores"), "the socket /run/cores"),
        ] {
            let said = said(pattern);
            assert!(said.contains(words), "{pattern:?}: {said}");
        }
    }

    #[test]
    fn codes_and_signals_have_their_names() {
        assert_eq!(named(9), "signal 9 (SIGKILL)");
        assert_eq!(named(64), "signal 64");
        assert_eq!(
            code(137),
            "exit code 137 (a shell says so after signal 9 (SIGKILL))"
        );
        assert_eq!(code(2), "exit code 2");
        assert_eq!(code(75), "exit code 75 (try later)");
    }
}
