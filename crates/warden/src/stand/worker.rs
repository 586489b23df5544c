//! The worker, as its warden sees it: what is known of it, what explains its exit, and when there is
//! nothing more to see.

use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tenure_guard::Reason;
use tenure_store::life::{CoreDump, End, Exit};

use super::Stand;
use crate::clock::BootInstant;
use crate::command::Start;
use crate::dispatched::not_owner;
use crate::ending::Cue;
use crate::tree::{Died, Membership};

/// Who ends many processes at once sends TERM to the warden a moment before or after the worker:
/// so long a death by such a signal waits for ours before it is called a crash.
pub(super) const SETTLING: Duration = Duration::from_secs(1);

/// What is known of the worker.
#[derive(Debug)]
pub(super) enum Worker {
    /// Its room is being made.
    Awaited(Box<Start>),
    /// It never came to be.
    Absent(End),
    Runs {
        pid: i32,
    },
    Ended {
        pid: i32,
        exit: Exit,
        at: BootInstant,
        tree_dead: bool,
    },
}

/// What explains the worker's exit.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// It was ended for a reason that is not its own.
    pub(super) interrupted: bool,
    /// We told it to end, while it ran.
    pub(super) told_to_end: bool,
    /// Why a guard in the tree stood down, or was told to.
    pub(super) stood_down: Option<Reason>,
    /// The kernel killed something of the tree for want of memory.
    pub(super) oom: bool,
    /// The kernel dumped the core of its main process.
    pub(super) core: Option<CoreDump>,
    /// It reported; whether that the work is done.
    pub(super) completed: Option<bool>,
}

impl Worker {
    /// Its main process, also where that has ended.
    pub(super) fn pid(&self) -> Option<i32> {
        match self {
            Self::Awaited(_) | Self::Absent(_) => None,
            Self::Runs { pid } | Self::Ended { pid, .. } => Some(*pid),
        }
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self, Self::Runs { .. })
    }

    /// Whether it has ended, and something of its tree lives on.
    pub(super) fn has_left(&self) -> bool {
        matches!(
            self,
            Self::Ended {
                tree_dead: false,
                ..
            }
        )
    }

    pub(super) fn tree_lives(&self) -> bool {
        match self {
            Self::Absent(_) => false,
            Self::Awaited(_) | Self::Runs { .. } => true,
            Self::Ended { tree_dead, .. } => !tree_dead,
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Ended { exit, .. } => match exit {
                Exit::Code(code) => code_of(*code),
                Exit::Signal(signal) => code_of(128 + signal),
                Exit::Unobserved => ExitCode::FAILURE,
            },
            // As shells say it.
            Self::Absent(End::SpawnFailed { errno, .. }) if *errno == Errno::ENOENT as i32 => {
                code_of(127)
            }
            Self::Absent(End::SpawnFailed { .. }) => code_of(126),
            Self::Absent(End::StoodDown { .. }) => not_owner(),
            Self::Awaited(_) | Self::Absent(_) | Self::Runs { .. } => ExitCode::FAILURE,
        }
    }
}

impl Stand {
    /// The end, once there is nothing more to see.
    pub(super) fn end(&self, now: BootInstant) -> Option<End> {
        match &self.worker {
            Worker::Absent(end) => Some(end.clone()),
            Worker::Ended {
                exit,
                at,
                tree_dead: true,
                ..
            } if !self.is_settling(*exit, *at, now) => Some(End::Exited {
                exit: *exit,
                interrupted: self.seen.interrupted,
                stood_down: self.seen.stood_down.clone(),
                tree_unverified: false,
                oom: self.seen.oom,
                core: self.seen.core.clone(),
            }),
            Worker::Awaited(_) | Worker::Runs { .. } | Worker::Ended { .. } => None,
        }
    }

    /// Whether our own signal may still come, and would explain this exit.
    fn is_settling(&self, exit: Exit, at: BootInstant, now: BootInstant) -> bool {
        !self.seen.interrupted
            && !self.seen.told_to_end
            && looks_interrupted(exit)
            && now < at + SETTLING
    }

    pub(super) fn interrupt(&mut self, now: BootInstant) {
        self.dismissed = true;
        let explains = match self.worker {
            Worker::Awaited(_) | Worker::Absent(_) => false,
            Worker::Runs { .. } => true,
            Worker::Ended { exit, .. } => looks_interrupted(exit),
        };
        self.seen.interrupted |= explains;
        self.cue(Cue::End, now);
    }

    pub(super) fn reap(&mut self, now: BootInstant) {
        // Before and after there is only git, and whoever started it waits for it.
        match self.worker {
            Worker::Runs { .. }
            | Worker::Ended {
                tree_dead: false, ..
            } => {}
            Worker::Awaited(_) | Worker::Absent(_) | Worker::Ended { .. } => return,
        }
        let reaped = self.tree.reap();
        for Died { pid, exit, core } in reaped.ended {
            if matches!(self.worker, Worker::Runs { pid: worker } if worker == pid) {
                self.seen.core = core.then(dumped);
                self.worker = Worker::Ended {
                    pid,
                    exit,
                    at: now,
                    tree_dead: false,
                };
            }
        }
        let Worker::Ended { pid, exit, at, .. } = self.worker else {
            return;
        };
        if reaped.empty {
            // What was said before the last of the tree died is waiting on the socket by now.
            self.look_round(now);
            self.seen.oom |= self.tree.ran_out_of_memory();
            self.tree.clear_away();
            self.close_log();
            self.worker = Worker::Ended {
                pid,
                exit,
                at,
                tree_dead: true,
            };
        } else {
            self.cue(Cue::WorkerEnded, now);
        }
    }

    pub(super) fn accept(&mut self, now: BootInstant) {
        let Self { tree, post, .. } = self;
        let is_inside = |pid| tree.membership(pid) != Membership::Outside;
        post.broker.accept(now, is_inside);
    }

    fn look_round(&mut self, now: BootInstant) {
        self.accept(now);
        for id in self.post.broker.everybody() {
            let heard = self.post.broker.serve(id, now);
            self.hear(heard, now);
        }
    }
}

/// Where the kernel puts a core that it dumps now.
fn dumped() -> CoreDump {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok();
    CoreDump {
        pattern: pattern.map(|pattern| pattern.trim_end().to_owned()),
    }
}

fn code_of(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whether the worker may have ended because of a TERM, HUP or INT; a shell says it with a code.
pub(super) fn looks_interrupted(exit: Exit) -> bool {
    let signals = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT].map(|signal| signal as i32);
    match exit {
        Exit::Signal(signal) => signals.contains(&signal),
        Exit::Code(code) => signals.contains(&(code - 128)),
        Exit::Unobserved => false,
    }
}
