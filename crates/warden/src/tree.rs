//! The tree: everything that descends from this process, which is its subreaper, and everything in
//! its session. Finds it, signals it, reaps it.
//!
//! **Invariant:** the tree is dead when the kernel says that no child is left (ECHILD: whoever loses
//! its parent becomes a child of the subreaper) and that nobody is in its cgroup, where it has one.
//! **Invariant:** the identity of a member is its membership, read again after its pidfd was opened.

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus};
use tenure_store::life::Exit;

use crate::cgroup::Held;
use crate::process::{self, Stat};

/// How long a chain of parents may be: a bound against a `/proc` that changes while it is read.
const LONGEST_CHAIN: usize = 4096;

/// `__WALL`: wait for every child, however it was made.
const WALL: u32 = 0x4000_0000;

/// A tree, as its root sees it.
#[derive(Debug)]
pub(crate) struct Tree {
    root: i32,
    /// Only where it is our own: started by hand we may be a guest in a person's.
    session: Option<i32>,
    cgroup: Option<Held>,
}

/// Whether a process belongs to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Inside,
    Outside,
    /// It has ended, and nothing can be read of it any more.
    Gone,
}

/// A process that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Died {
    pub(crate) pid: i32,
    pub(crate) exit: Exit,
    /// The kernel dumped its core.
    pub(crate) core: bool,
}

/// What reaping brought.
#[derive(Debug)]
pub(crate) struct Reaped {
    /// Who ended, and how.
    pub(crate) ended: Vec<Died>,
    /// Whether nobody is left: the tree is dead.
    pub(crate) empty: bool,
}

impl Tree {
    /// The tree of this process.
    pub(crate) fn of_self(cgroup: Option<Held>) -> Self {
        let root = nix::unistd::getpid().as_raw();
        let session = nix::unistd::getsid(None)
            .ok()
            .map(nix::unistd::Pid::as_raw)
            .filter(|session| *session == root);
        Self {
            root,
            session,
            cgroup,
        }
    }

    pub(crate) fn membership(&self, pid: i32) -> Membership {
        let Ok(stat) = Stat::read(pid) else {
            return Membership::Gone;
        };
        if pid == self.root {
            return Membership::Outside;
        }
        let placed = self.place(stat, |parent| Stat::read(parent).ok());
        if placed == Membership::Outside && self.guests().contains(&pid) {
            return Membership::Inside;
        }
        placed
    }

    /// Who is in the cgroup, however it came there.
    fn guests(&self) -> Vec<i32> {
        self.cgroup.as_ref().map(Held::members).unwrap_or_default()
    }

    /// Follows the parents up to the root.
    fn place(&self, stat: Stat, read: impl Fn(i32) -> Option<Stat>) -> Membership {
        if Some(stat.session) == self.session {
            return Membership::Inside;
        }
        let mut parent = stat.parent;
        for _ in 0..LONGEST_CHAIN {
            if parent == self.root {
                return Membership::Inside;
            }
            if parent <= 1 {
                return Membership::Outside;
            }
            match read(parent) {
                Some(stat) => parent = stat.parent,
                None => return Membership::Gone,
            }
        }
        Membership::Outside
    }

    /// SIGTERM to everything, and SIGCONT, without which a stopped process would not get it.
    pub(crate) fn terminate(&self) {
        self.signal(&[Signal::TERM, Signal::CONT]);
    }

    /// SIGKILL to everything that is there now.
    pub(crate) fn kill(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        self.signal(&[Signal::KILL]);
    }

    /// Best effort: whom it does not reach, the next round does, and only ECHILD ends the rounds.
    fn signal(&self, signals: &[Signal]) {
        for pid in self.members().unwrap_or_default() {
            let Ok(pidfd) = process::open(pid) else {
                continue;
            };
            if self.membership(pid) == Membership::Inside {
                for signal in signals {
                    let _ = process::send(&pidfd, *signal);
                }
            }
        }
    }

    /// Everybody who seems to belong to it, from one walk over `/proc`; the oldest first, so that a
    /// worker gets its signal before it sees its children die of theirs.
    fn members(&self) -> io::Result<Vec<i32>> {
        let mut everybody = HashMap::new();
        for entry in std::fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if let Ok(stat) = Stat::read(pid) {
                everybody.insert(pid, stat);
            }
        }
        let guests = self.guests();
        let inside = |pid: &i32, stat: Stat| {
            let placed = self.place(stat, |parent| everybody.get(&parent).copied());
            *pid != self.root && (placed == Membership::Inside || guests.contains(pid))
        };
        let mut members: Vec<(u64, i32)> = everybody
            .iter()
            .filter(|(pid, stat)| inside(pid, **stat))
            .map(|(pid, stat)| (stat.start_ticks, *pid))
            .collect();
        members.sort_unstable();
        Ok(members.into_iter().map(|(_, pid)| pid).collect())
    }

    /// Collects everybody who ended. Never waits.
    pub(crate) fn reap(&self) -> Reaped {
        // Also children that a thread made with clone and no exit signal.
        let options = WaitOptions::NOHANG | WaitOptions::from_bits_retain(WALL);
        let mut ended = Vec::new();
        loop {
            match rustix::process::wait(options) {
                Ok(Some((pid, status))) => {
                    if let Some(exit) = exit_of(status) {
                        ended.push(Died {
                            pid: pid.as_raw_nonzero().get(),
                            exit,
                            core: nix::libc::WCOREDUMP(status.as_raw()),
                        });
                    }
                }
                Err(Errno::CHILD) => {
                    let empty = self.cgroup.as_ref().is_none_or(Held::is_vacant);
                    return Reaped { ended, empty };
                }
                Err(Errno::INTR) => {}
                Ok(None) | Err(_) => {
                    return Reaped {
                        ended,
                        empty: false,
                    };
                }
            }
        }
    }
}

/// What only a cgroup tells and takes.
impl Tree {
    /// Wakes, as an exceptional condition of poll(2), when nobody is in the cgroup any more.
    pub(crate) fn events(&self) -> Option<BorrowedFd<'_>> {
        self.cgroup.as_ref().and_then(Held::events)
    }

    /// Whether the kernel killed something of it for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Held::ran_out_of_memory)
    }

    /// Leaves nothing of a dead tree behind.
    pub(crate) fn clear_away(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.remove();
        }
    }
}

/// The kernel's word; none where the process merely stopped or went on.
fn exit_of(status: WaitStatus) -> Option<Exit> {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(Exit::Code(code)),
        (None, Some(signal)) => Some(Exit::Signal(signal)),
        (None, None) => None,
    }
}
