//! Data for the standard output, messages for the standard error. A reader that went away
//! (`tenure list | head`) is no failure.

use std::io::{ErrorKind, IsTerminal as _, Write as _};

use crate::failure::{Code, Failure};

/// Writes bytes as they are.
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(|error| {
        if error.kind() == ErrorKind::BrokenPipe {
            Failure::silent(Code::Ok)
        } else {
            Failure::io("the output cannot be written", error)
        }
    })
}

/// Writes one line.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes a value as one line of JSON.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::new(Code::Failed, error))?;
    line(text)
}

/// Writes a message for people. Where nobody reads messages, nobody misses one.
pub fn message(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether people look at the output directly.
pub fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
