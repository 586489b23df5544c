//! What another program answers, and no waiting for one that hangs.

use std::io;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tenure_warden::process::ends_within;

/// So long may a program take that answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a program to its end and brings what it said; what it says must fit into a pipe.
///
/// # Errors
/// When it cannot be started, or ([`io::ErrorKind::TimedOut`]) does not end in time: then it is killed.
pub fn of(command: &mut Command) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let answered = ends_within(&child, PATIENCE);
    if matches!(answered, Ok(true)) {
        return child.wait_with_output();
    }
    // It is our child and not reaped, so this is nobody else.
    let _ = child.kill();
    child.wait()?;
    answered?;
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no answer within {} s", PATIENCE.as_secs()),
    ))
}
