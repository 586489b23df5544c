//! Becoming the program that lies where this one was started from, in place: the process stays, and
//! with it its pid, its children and what systemd knows of it. Workers notice nothing; the next
//! dispatcher adopts their wardens like any other's.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::answer;
use crate::failure::Failure;
use crate::signals::{Signals, kept_for_the_next_program};
use crate::verb;

/// Executes the program with our arguments, once it has shown that it runs here. Whoever asked for an
/// end meanwhile asked the next program: no signal is lost between the two.
///
/// # Errors
/// Why not; nothing has changed then, and this program can go on.
pub fn exec(program: &Path, signals: &mut Signals) -> Result<Infallible, Failure> {
    let named = |error| Failure::io(format!("{} cannot be executed", program.display()), error);
    // The mask outlives the program: until the next one has its handlers these signals wait.
    let mask = kept_for_the_next_program();
    mask.thread_block().map_err(|errno| named(errno.into()))?;
    let failed = become_it(program, signals, named);
    mask.thread_unblock().map_err(|errno| named(errno.into()))?;
    Err(failed)
}

/// What kept us from it.
fn become_it(
    program: &Path,
    signals: &mut Signals,
    named: impl Fn(io::Error) -> Failure,
) -> Failure {
    match version(program) {
        Ok(version) => tracing::info!(
            program = %program.display(), version,
            "becoming the program that is there now",
        ),
        Err(error) => return named(error),
    }
    // What came after the last dispatcher had ears.
    let sent_again = verb::block_on(async { signals.send_again().await.map_err(&named) });
    if let Err(failure) = sent_again {
        return failure;
    }
    named(
        Command::new(program)
            .args(std::env::args_os().skip(1))
            .exec(),
    )
}

/// What the program says of itself: that it runs here at all is what it has to show.
fn version(program: &Path) -> io::Result<String> {
    let shown = answer::of(Command::new(program).arg("version"))?;
    if !shown.status.success() {
        let problem = String::from_utf8_lossy(&shown.stderr).trim().to_owned();
        let problem = format!("`version` ended with {}: {problem}", shown.status);
        return Err(io::Error::other(problem));
    }
    Ok(String::from_utf8_lossy(&shown.stdout).trim().to_owned())
}
