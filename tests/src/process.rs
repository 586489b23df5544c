//! The processes that a test brought into the world: finding them, and ending them by their ids.

use std::fs;
use std::path::Path;

use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

use rustix::process::Pid;
pub use rustix::process::Signal;

use crate::wait::wait_until;

/// A process, known again by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    started: u64,
}

/// What `/proc/PID/stat` tells.
struct Stat {
    state: String,
    parent: i32,
    session: i32,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    read(Path::new(&format!("/proc/{pid}")))
}

/// The same of a process or a thread, by its folder.
fn read(folder: &Path) -> Option<Stat> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    // The name in parentheses may hold spaces and parentheses of its own.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        state: (*fields.first()?).to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Every process id there is.
fn every() -> Vec<i32> {
    fs::read_dir("/proc")
        .expect("/proc is mounted")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

impl Process {
    /// The process that has this id now.
    pub fn now(pid: i32) -> Option<Self> {
        stat(pid).map(|stat| Self {
            pid,
            started: stat.started,
        })
    }

    /// Whether it still runs; one that exited and waits to be reaped does not, unless only its main
    /// thread exited.
    pub fn lives(self) -> bool {
        let threads =
            || fs::read_dir(format!("/proc/{}/task", self.pid)).map_or(0, Iterator::count);
        stat(self.pid).is_some_and(|stat| {
            stat.started == self.started && (stat.state != "Z" || threads() > 1)
        })
    }

    /// Whether it runs this program.
    pub fn runs(self, program: &Path) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|path| path == program)
    }

    /// Its session.
    pub fn session(self) -> Option<i32> {
        stat(self.pid).map(|stat| stat.session)
    }

    /// Sends a signal, if it is still the same process: it is looked at again after its pidfd was
    /// opened, so that a reused pid is never hit.
    pub fn signal(self, signal: Signal) {
        let opened =
            Pid::from_raw(self.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(pidfd) = opened.filter(|_| self.lives()) {
            // It may have gone since; then there is nothing to signal.
            let _ = pidfd_send_signal(pidfd, signal);
        }
    }

    /// Stops it, and waits until none of its threads moves any more. Whoever may have a store locked
    /// at that moment is stopped by [`crate::Home::stop`] instead.
    #[track_caller]
    pub fn stop(self) {
        self.signal(Signal::STOP);
        let path = format!("/proc/{}/task", self.pid);
        wait_until("every thread is stopped", || {
            let threads = fs::read_dir(&path).ok()?;
            let mut stats = threads.flatten().map(|thread| read(&thread.path()));
            stats
                .all(|stat| stat.is_some_and(|stat| stat.state == "T"))
                .then_some(())
        });
    }
}

/// A process and everything below it, itself first.
pub fn tree(root: i32) -> Vec<Process> {
    let family: Vec<(i32, i32)> = every()
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            family
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.into_iter().filter_map(Process::now).collect()
}

/// Processes in whose environment this folder occurs: what a test's home left behind.
pub fn with_in_environment(folder: &Path) -> Vec<Process> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let us = std::process::id();
    every()
        .into_iter()
        .filter(|pid| u32::try_from(*pid).is_ok_and(|pid| pid != us))
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.windows(needle.len()).any(|part| part == needle))
        })
        .filter_map(Process::now)
        .filter(|process| process.lives())
        .collect()
}

/// Living processes that are in one of these sessions.
pub fn in_sessions(sessions: &[i32]) -> Vec<Process> {
    every()
        .into_iter()
        .filter(|pid| stat(*pid).is_some_and(|stat| sessions.contains(&stat.session)))
        .filter_map(Process::now)
        .filter(|process| process.lives())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_ended_does_not_live() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = Process::now(i32::try_from(child.id()).unwrap());
        child.wait().unwrap();
        assert!(process.is_none_or(|process| !process.lives()));
    }

    #[test]
    fn a_tree_begins_with_its_root_and_holds_its_children() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let us = i32::try_from(std::process::id()).unwrap();
        let tree = tree(us);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(tree.first().map(|process| process.pid), Some(us));
        let pid = i32::try_from(child.id()).unwrap();
        assert!(tree.iter().any(|process| process.pid == pid), "{tree:?}");
    }
}
