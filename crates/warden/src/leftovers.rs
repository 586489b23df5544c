//! What a killed warden left behind: found and killed by whoever was its parent.
//!
//! The witness is gone, so death can only be searched for, not proved: by the run's session among
//! our own descendants (we are the subreaper to whom orphans come), and by the claim lock in the
//! environment anywhere. What cleared its environment *and* left the session is not seen; the run
//! says `tree_unverified`.
//!
//! **Invariant:** who got the warden's number after it, and leads a session of the same number, is no
//! leftover, although it may well descend from us: our next warden, or a worker's child.

use std::time::Duration;

use rustix::process::Signal;
use tenure_guard::{ClaimLock, env};

use crate::process::{self, Process, ProcessId, Stat};

/// How long to wait after a round; it doubles, since what survives SIGKILL hangs in the kernel.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between two rounds.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many searches in a row must find nothing: a process may fork just behind the first.
const EMPTY_SEARCHES: u32 = 2;

/// Who the killed warden was.
#[derive(Clone, Debug)]
pub struct Leftovers {
    /// Itself. Its pid was its session's number.
    pub warden: ProcessId,
    /// The lock of its run.
    pub lock: ClaimLock,
}

impl Leftovers {
    /// Kills until nothing is found. A process that cannot be killed keeps its caller here: its task
    /// must not be given away.
    pub fn end(&self) {
        let (mut empty, mut pause) = (0, FIRST_PAUSE);
        while empty < EMPTY_SEARCHES {
            let found = self.search();
            empty = if found.is_empty() { empty + 1 } else { 0 };
            for pid in found {
                self.kill(pid);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Kills one, if it still belongs to the run once its pidfd is open.
    fn kill(&self, pid: i32) {
        if let Ok(pidfd) = process::open(pid)
            && self.owns(pid)
        {
            // Whom this does not reach is found again.
            let _ = process::send(&pidfd, Signal::KILL);
        }
    }

    fn search(&self) -> Vec<i32> {
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| self.owns(*pid))
            .collect()
    }

    /// Whether a living process belongs to the run.
    fn owns(&self, pid: i32) -> bool {
        let Ok(stat) = Stat::read(pid) else {
            return false;
        };
        if stat.is_dead {
            return false;
        }
        (self.is_in_the_session(stat) && self.session_is_its_own()) || self.is_named_by(pid)
    }

    /// Whether it and everybody between it and us are in a session of the warden's number. Orphans
    /// of the warden came to us; whom another warden stands over has that one in between.
    fn is_in_the_session(&self, mut stat: Stat) -> bool {
        let us = nix::unistd::getpid().as_raw();
        while stat.session == self.warden.pid {
            if stat.parent == us {
                return true;
            }
            match Stat::read(stat.parent) {
                Ok(parent) => stat = parent,
                Err(_) => return false,
            }
        }
        false
    }

    /// Whether nobody else has the warden's number. As long as a session has members its number is
    /// not given away, so who has it began a session of its own with it. To be asked after a member
    /// was seen.
    fn session_is_its_own(&self) -> bool {
        match Process::of(self.warden.pid, &self.warden.host_id) {
            Ok(process) => *process.id() == self.warden,
            Err(error) => process::is_gone(&error),
        }
    }

    /// Whether the claim lock stands in the environment that the process was started with.
    fn is_named_by(&self, pid: i32) -> bool {
        let wanted = format!("{}={}", env::CLAIM_LOCK, self.lock.expose());
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
            environ
                .split(|byte| *byte == 0)
                .any(|one| one == wanted.as_bytes())
        })
    }
}
