//! Processes: how one is known, and the one door through which anything that is not an unreaped
//! child of our own is signalled.
//!
//! **Invariant:** a signal goes through a pidfd whose process was compared *after* the pidfd was
//! opened: with its written identity here, or with its membership in its tree.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Child;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
pub use tenure_store::process::ProcessId;

pub use crate::host::{boot_id, host_id, known_host_id};

/// What `statfs` says of a pidfd on kernels that give every process an inode of its own (6.9 on).
const PIDFS_MAGIC: u64 = 0x5049_4446;

/// A process that is held by its pidfd: its number cannot come to mean another one.
#[derive(Debug)]
pub struct Process {
    pidfd: OwnedFd,
    id: ProcessId,
}

/// What became of a process that was written down.
#[derive(Debug)]
pub enum Found {
    /// It lives, or waits to be reaped.
    Alive(Process),
    /// It is dead, and that is proved: same host, same boot, same pid namespace.
    Dead,
    /// It belongs to an earlier boot of this host.
    EarlierBoot,
    /// Its number means nothing here: another host, or another pid namespace.
    Elsewhere,
}

impl Found {
    /// The process, where it lives.
    pub fn alive(self) -> Option<Process> {
        match self {
            Self::Alive(process) => Some(process),
            Self::Dead | Self::EarlierBoot | Self::Elsewhere => None,
        }
    }
}

impl Process {
    /// Takes hold of a living process and reads its identity. Meant for processes that cannot end
    /// unseen in between: a child of our own, or ourselves.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: i32, host_id: &str) -> io::Result<Self> {
        let pidfd = open(pid)?;
        let id = ProcessId {
            host_id: host_id.to_owned(),
            boot_id: boot_id()?,
            pid_namespace: pid_namespace()?,
            pid,
            start_ticks: start_ticks(pid, &pidfd)?,
            inode: inode(&pidfd)?,
        };
        Ok(Self { pidfd, id })
    }

    /// Looks for a process that was written down; `host_id` is this host's.
    ///
    /// # Errors
    /// When the kernel does not tell; nothing is known then.
    pub fn find(id: &ProcessId, host_id: &str) -> io::Result<Found> {
        if id.host_id != host_id {
            return Ok(Found::Elsewhere);
        }
        if id.boot_id != boot_id()? {
            return Ok(Found::EarlierBoot);
        }
        if id.pid_namespace != pid_namespace()? {
            return Ok(Found::Elsewhere);
        }
        match Self::of(id.pid, host_id) {
            Ok(process) if process.id == *id => Ok(Found::Alive(process)),
            Ok(_) => Ok(Found::Dead),
            Err(error) if is_gone(&error) => Ok(Found::Dead),
            Err(error) if is_hidden(&error) => Self::find_hidden(id),
            Err(error) => Err(error),
        }
    }

    /// Looks for a process that `/proc` hides. Its inode alone is an identity within a boot, where
    /// the kernel gives one.
    fn find_hidden(id: &ProcessId) -> io::Result<Found> {
        let pidfd = match open(id.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if is_gone(&error) => return Ok(Found::Dead),
            Err(error) => return Err(error),
        };
        match (inode(&pidfd)?, id.inode) {
            (0, _) | (_, 0) => Err(hidden(id.pid)),
            (inode, known) if inode == known => Ok(Found::Alive(Self {
                id: id.clone(),
                pidfd,
            })),
            (_, _) => Ok(Found::Dead),
        }
    }

    /// Its pidfd, for whoever waits for its end: readable from then on.
    pub fn into_pidfd(self) -> OwnedFd {
        self.pidfd
    }

    /// Who it is.
    pub fn id(&self) -> &ProcessId {
        &self.id
    }

    /// Sends SIGTERM. A process that is gone already is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn terminate(&self) -> io::Result<()> {
        send(&self.pidfd, Signal::TERM)
    }

    /// Sends SIGKILL. A process that is gone already is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> io::Result<()> {
        send(&self.pidfd, Signal::KILL)
    }

    /// Whether somebody stopped it, so that it lives and does nothing.
    ///
    /// # Errors
    /// When `/proc` does not tell.
    pub fn is_stopped(&self) -> io::Result<bool> {
        Ok(Stat::read(self.id.pid)?.is_stopped)
    }

    /// Whether it has ended; it may still wait to be reaped.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn has_ended(&self) -> io::Result<bool> {
        has_ended(&self.pidfd)
    }
}

/// Waits until a child of ours has ended, or for so long; whether it has. It is still to be reaped.
///
/// # Errors
/// When the kernel does not tell.
pub fn ends_within(child: &Child, patience: Duration) -> io::Result<bool> {
    let pidfd = open(i32::try_from(child.id()).map_err(io::Error::other)?)?;
    ends(
        &pidfd,
        PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX),
    )
}

impl AsFd for Process {
    /// Readable when the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Opens a pidfd. Whose it is must be compared afterwards.
pub(crate) fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid)
        .filter(|pid| pid.as_raw_nonzero().get() > 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a pid is positive"))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

pub(crate) fn has_ended(pidfd: &OwnedFd) -> io::Result<bool> {
    ends(pidfd, PollTimeout::ZERO)
}

fn ends(pidfd: &OwnedFd, patience: PollTimeout) -> io::Result<bool> {
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, patience)? > 0)
}

/// When a process started. One of which `/proc` shows nothing although it lives is hidden there
/// (`hidepid`, `ProtectProc=`), as a warden is even from its own user: it cannot be dumped.
fn start_ticks(pid: i32, pidfd: &OwnedFd) -> io::Result<u64> {
    match Stat::read(pid) {
        Ok(stat) => Ok(stat.start_ticks),
        Err(error) if is_gone(&error) && !has_ended(pidfd)? => Err(hidden(pid)),
        Err(error) => Err(error),
    }
}

fn hidden(pid: i32) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "/proc hides the living process {pid}: mount it without hidepid, set ProtectProc=default"
        ),
    )
}

fn is_hidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Signals through a pidfd; who is gone already needs no signal.
pub(crate) fn send(pidfd: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether an error means that there is no such process (any more).
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The inode of a pidfd where it tells processes apart, else 0.
fn inode(pidfd: &OwnedFd) -> io::Result<u64> {
    let filesystem = rustix::fs::fstatfs(pidfd)?.f_type;
    if u64::try_from(filesystem).is_ok_and(|magic| magic == PIDFS_MAGIC) {
        Ok(rustix::fs::fstat(pidfd)?.st_ino)
    } else {
        Ok(0)
    }
}

/// The namespace in which the pids that we see mean something: our own. (A warden's own link is
/// closed to others, since it is not dumpable.)
fn pid_namespace() -> io::Result<u64> {
    Ok(rustix::fs::stat("/proc/self/ns/pid")?.st_ino)
}

/// What `/proc/PID/stat` says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) session: i32,
    pub(crate) start_ticks: u64,
    /// Ended, and not reaped yet.
    pub(crate) is_dead: bool,
    /// By a signal, or by a debugger.
    pub(crate) is_stopped: bool,
}

impl Stat {
    pub(crate) fn read(pid: i32) -> io::Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat is not understood"),
            )
        })
    }

    /// The name comes second, in parentheses, and may hold anything, parentheses too.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
            // A main thread that ended before the others looks like a zombie, too.
            is_stopped: matches!(*fields.first()?, "T" | "t"),
            is_dead: matches!(*fields.first()?, "Z" | "X")
                && fields.get(17)?.parse::<u32>().ok()? <= 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn sleeper() -> std::process::Child {
        Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_confuse_the_reader() {
        let text = "42 (a) b (c)) S 7 42 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 100";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            stat,
            Stat {
                parent: 7,
                group: 42,
                session: 9,
                start_ticks: 12345,
                is_dead: false,
                is_stopped: false,
            }
        );
    }

    #[test]
    fn a_living_process_is_found_again_and_a_dead_one_is_dead() {
        let mut child = sleeper();
        let pid = i32::try_from(child.id()).unwrap();
        let id = Process::of(pid, "host").unwrap().id().clone();
        let Found::Alive(found) = Process::find(&id, "host").unwrap() else {
            panic!("the sleeper was not found");
        };
        assert!(!found.has_ended().unwrap());
        found.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(Process::find(&id, "host").unwrap(), Found::Dead));
        found.kill().unwrap();
    }

    #[test]
    fn the_same_pid_with_another_start_or_inode_is_another_process() {
        let mut child = sleeper();
        let pid = i32::try_from(child.id()).unwrap();
        let id = Process::of(pid, "host").unwrap().id().clone();
        let later = ProcessId {
            start_ticks: id.start_ticks + 1,
            ..id.clone()
        };
        let reused = ProcessId {
            inode: id.inode + 1,
            ..id.clone()
        };
        let host = ProcessId {
            host_id: "other".into(),
            ..id.clone()
        };
        let boot = ProcessId {
            boot_id: "other".into(),
            ..id.clone()
        };
        let namespace = ProcessId {
            pid_namespace: 1,
            ..id
        };
        assert!(matches!(Process::find(&later, "host"), Ok(Found::Dead)));
        assert!(matches!(Process::find(&reused, "host"), Ok(Found::Dead)));
        assert!(matches!(Process::find(&host, "host"), Ok(Found::Elsewhere)));
        assert!(matches!(
            Process::find(&boot, "host"),
            Ok(Found::EarlierBoot)
        ));
        assert!(matches!(
            Process::find(&namespace, "host"),
            Ok(Found::Elsewhere)
        ));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
