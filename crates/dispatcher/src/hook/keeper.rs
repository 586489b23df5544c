//! Runs a hook's program, under a keeper of its own: the program of a warden, which keeps the hook's
//! tree together, ends it in time, and goes with the dispatcher.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use tenure_warden::hook::{ARGUMENT, Order, Told};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::sync::oneshot;

use crate::settings::WardenProgram;
use crate::spawn::SPAWNER;

/// What a keeper may answer at most: the last of the output, each byte escaped at worst.
const MAX_ANSWER: u64 = 64 * 1024;

/// Runs it to its end. Dropping this ends it.
///
/// # Errors
/// Where our own side fails: there is no keeper, or it died.
pub(super) async fn run(program: &WardenProgram, order: &Order) -> io::Result<Told> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    let stream = keeper(program.clone(), line).await?;
    stream.set_nonblocking(true)?;
    let stream = tokio::net::UnixStream::from_std(stream)?;
    let mut answer = Vec::new();
    BufReader::new(stream)
        .take(MAX_ANSWER)
        .read_to_end(&mut answer)
        .await?;
    if answer.is_empty() {
        return Err(io::Error::other("the hook's keeper died"));
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// Makes a keeper and gives it its order, on a thread: making a process blocks its caller.
async fn keeper(program: WardenProgram, line: Vec<u8>) -> io::Result<UnixStream> {
    let (made, is_made) = oneshot::channel();
    // For a moment a child has the name of the thread that made it; by this one it is known as ours.
    std::thread::Builder::new()
        .name(SPAWNER.to_owned())
        .spawn(move || {
            // Whoever waited may be gone; then the line is closed, and the keeper ends.
            let _ = made.send(make(&program, &line));
        })?;
    is_made.await.map_err(io::Error::other)?
}

fn make(program: &WardenProgram, line: &[u8]) -> io::Result<UnixStream> {
    let (mut ours, theirs) = UnixStream::pair()?;
    // The dispatcher's reaper collects it, as every child.
    Command::new(&program.path)
        .args(&program.args)
        .arg(ARGUMENT)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    ours.write_all(line)?;
    Ok(ours)
}
