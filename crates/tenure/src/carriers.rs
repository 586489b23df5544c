//! Processes that carry a run of a store in their environment: found, and, where a person wants it,
//! ended. Whether their run is closed is for the store to say.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use tenure_guard::{RunId, env};
use tenure_warden::process::Process;

/// So many searches in a row must find nothing: a process may fork just behind the first.
const EMPTY_SEARCHES: u32 = 2;

/// After so many rounds the rest is left alone: what survives SIGKILL hangs in the kernel.
const MOST_ROUNDS: u32 = 200;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(10);

/// A process that carries a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    /// The process.
    pub pid: i32,
    /// Its run.
    pub run: RunId,
}

/// All that we may look at, but for ourselves. `folder` is the store's part of the state.
pub fn carriers(folder: &Path) -> Vec<Carrier> {
    let own = nix::unistd::getpid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(|entry| {
            let pid: i32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let run = carried(pid, folder)?;
            (pid != own).then_some(Carrier { pid, run })
        })
        .collect()
}

/// The run in a process's environment, where it is one of the store with this folder.
pub fn carried(pid: i32, folder: &Path) -> Option<RunId> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &str| {
        bytes.split(|byte| *byte == 0).find_map(|variable| {
            let text = std::str::from_utf8(variable).ok()?;
            text.strip_prefix(name)?.strip_prefix('=')
        })
    };
    // The context lies in the run's folder, wherever a long path has put the socket.
    Path::new(value(env::CONTEXT)?)
        .starts_with(folder)
        .then_some(())?;
    value(env::RUN_ID)?.parse().ok().map(RunId)
}

/// Kills what carries `run` until nothing is found; the pids that were killed, and those that would
/// not die.
///
/// # Errors
/// The kernel's.
pub fn end(folder: &Path, run: RunId, host_id: &str) -> io::Result<(Vec<i32>, Vec<i32>)> {
    let (mut killed, mut empty) = (Vec::new(), 0);
    for _ in 0..MOST_ROUNDS {
        let mut found = carriers(folder);
        found.retain(|carrier| carrier.run == run);
        empty = if found.is_empty() { empty + 1 } else { 0 };
        if empty == EMPTY_SEARCHES {
            return Ok((killed, Vec::new()));
        }
        for Carrier { pid, .. } in found {
            // One that has ended meanwhile needs no signal.
            let Ok(process) = Process::of(pid, host_id) else {
                continue;
            };
            // Read again, now that it is held: its number may have come to mean another one.
            if carried(pid, folder) == Some(run) {
                process.kill()?;
                if !killed.contains(&pid) {
                    killed.push(pid);
                }
            }
        }
        std::thread::sleep(PAUSE);
    }
    let mut left = carriers(folder);
    left.retain(|carrier| carrier.run == run);
    Ok((killed, left.iter().map(|carrier| carrier.pid).collect()))
}
