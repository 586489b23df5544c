//! Signals and exit codes in words, and who may have sent what.

use nix::sys::signal::Signal;
use tenure_guard::exit_code;

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
