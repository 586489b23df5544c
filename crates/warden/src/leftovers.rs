//! What a killed warden left behind: found and killed, by its parent or by whoever comes later.
//!
//! The witness is gone, so death can only be searched for, not proved. Whatever is found is stopped
//! first, and killed only when nothing more is found: who is stopped neither forks nor dies, so that
//! its children can still be known by it. What cleared its environment, left the session and lost its
//! parent is seen only where the caller can answer for it; the run says `tree_unverified`.
//!
//! Who is ours is decided in `belonging.rs`.
//!
//! **Invariant:** nothing is signalled that could be a stranger. A leftover that was missed stands in
//! the run as unverified; a stranger that was killed cannot be made up for.

mod belonging;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::Signal;
use tenure_guard::{ClaimLock, env};

use self::belonging::{Facts, Leader, Named, Parent, Session, is_ours};
use crate::process::{self, Process, ProcessId, Stat};

/// How long to wait before another look; it doubles, since what survives SIGKILL hangs in the kernel.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// So many searches in a row must find nothing: a process may fork just behind the first.
const EMPTY_SEARCHES: u32 = 2;

/// So often a round walks over all processes for more before it kills. Each walk finds whatever was
/// forked before its parent was stopped; only a fork bomb needs more than a few.
const MOST_WALKS: u32 = 50;

/// Who the killed warden was.
#[derive(Clone, Debug)]
pub struct Leftovers {
    /// The whole of it; its pid is its session's number.
    pub warden: ProcessId,
    /// The worker's main process, where it was written down; its pid is its group's number.
    pub worker: Option<i32>,
    /// The lock of its run.
    pub lock: ClaimLock,
    /// Others that the caller answers for: orphans that came to it when the warden died.
    pub also: Vec<ProcessId>,
}

/// Children of this process, dead ones aside. Those that it neither made nor had from its start came
/// as orphans, unless it is pid 1, to which everybody's come.
///
/// # Errors
/// Where `/proc` is not there.
pub fn children(host_id: &str) -> io::Result<Vec<ProcessId>> {
    let is_child =
        |stat: io::Result<Stat>| stat.is_ok_and(|stat| stat.parent == own_pid() && !stat.is_dead);
    Ok(pids()?
        .filter(|pid| is_child(Stat::read(*pid)))
        .filter_map(|pid| {
            let process = Process::of(pid, host_id).ok()?;
            // Read again, now that it is held.
            is_child(Stat::read(pid)).then(|| process.id().clone())
        })
        .collect())
}

/// A process that is stopped and will be killed.
struct Held {
    pidfd: OwnedFd,
    session: i32,
}

impl Leftovers {
    /// Kills until nothing is found. A process that cannot be killed keeps its caller here: its task
    /// must not be given away.
    pub fn end(&self) {
        let mut empty = 0;
        while empty < EMPTY_SEARCHES {
            let found = self.seize();
            empty = if found.is_empty() { empty + 1 } else { 0 };
            for held in found.values() {
                // One that cannot be signalled keeps us, too.
                let _ = process::send(&held.pidfd, Signal::KILL);
            }
            // Its children lost what they are known by when it died: who was found is waited for.
            let mut pause = FIRST_PAUSE;
            while found.values().any(Held::is_there) {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            std::thread::sleep(FIRST_PAUSE);
        }
    }

    /// Stops everything that is found, until nothing more is.
    fn seize(&self) -> BTreeMap<i32, Held> {
        let mut held = BTreeMap::new();
        for id in &self.also {
            self.seize_known(id, &mut held);
        }
        for _ in 0..MOST_WALKS {
            let before = held.len();
            for pid in pids().into_iter().flatten() {
                self.seize_with_children(pid, &mut held);
            }
            if held.len() == before {
                break;
            }
        }
        held
    }

    fn seize_known(&self, id: &ProcessId, held: &mut BTreeMap<i32, Held>) {
        let found = Process::find(id, &self.warden.host_id);
        let alive = found.ok().and_then(process::Found::alive);
        if let (Some(process), Ok(stat)) = (alive, Stat::read(id.pid))
            && !stat.is_dead
        {
            stop(id.pid, stat, process.into_pidfd(), held);
        }
    }

    /// Stops one that is ours, and at once its children, theirs, and so on: a walk over everybody
    /// would run after a chain that goes on forking.
    fn seize_with_children(&self, pid: i32, held: &mut BTreeMap<i32, Held>) {
        let mut next = vec![pid];
        while let Some(pid) = next.pop() {
            if self.seize_one(pid, held) {
                next.extend(children_of(pid));
            }
        }
    }

    /// Whether it was ours and not held yet.
    fn seize_one(&self, pid: i32, held: &mut BTreeMap<i32, Held>) -> bool {
        if held.contains_key(&pid) || self.look(pid, held).is_none() {
            return false;
        }
        // Looked at again once its pidfd is open: only then is it certainly the one that was meant.
        let Ok(pidfd) = process::open(pid) else {
            return false;
        };
        let Some(stat) = self.look(pid, held) else {
            return false;
        };
        stop(pid, stat, pidfd, held);
        true
    }

    /// A living process, if it is ours.
    fn look(&self, pid: i32, held: &BTreeMap<i32, Held>) -> Option<Stat> {
        let stat = Stat::read(pid).ok()?;
        if stat.is_dead || pid == own_pid() {
            return None;
        }
        let parent = if held.get(&stat.parent).is_some_and(Held::is_there) {
            Parent::Held
        } else if stat.parent == own_pid() && own_pid() != 1 {
            Parent::Us
        } else {
            Parent::Other
        };
        let facts = Facts {
            named: self.named_by(pid),
            parent,
            session: self.session(stat, held),
        };
        is_ours(facts).then_some(stat)
    }

    fn session(&self, stat: Stat, held: &BTreeMap<i32, Held>) -> Option<Session> {
        let number = self.warden.pid;
        if stat.session != number || stat.start_ticks < self.warden.start_ticks {
            return None;
        }
        // While this one lives nobody new can get the number, so that what is seen now stays true.
        let leader = match Process::find(&self.warden, &self.warden.host_id).ok()? {
            process::Found::Alive(_) => Leader::Warden,
            process::Found::Dead if Stat::read(number).is_ok() => Leader::Another,
            process::Found::Dead => Leader::Nobody,
            // Its number means nothing here.
            process::Found::EarlierBoot | process::Found::Elsewhere => return None,
        };
        let is_beside = |held: &Held| held.session == number && held.is_there();
        Some(Session {
            leader,
            has_held: held.values().any(is_beside),
            in_workers_group: self.worker == Some(stat.group),
        })
    }

    /// What the environment says that the process was started with.
    fn named_by(&self, pid: i32) -> Named {
        let name = format!("{}=", env::CLAIM_LOCK);
        let environ = environ(pid);
        let mut is_hidden = true;
        let mut is_named = false;
        for one in environ.split(|byte| *byte == 0) {
            is_hidden &= !one.contains(&b'=');
            if let Some(lock) = one.strip_prefix(name.as_bytes()) {
                if lock == self.lock.expose().as_bytes() {
                    return Named::Run;
                }
                is_named = true;
            }
        }
        match (is_named, is_hidden) {
            (true, _) => Named::OtherRun,
            (false, true) => Named::Hidden,
            (false, false) => Named::Nobody,
        }
    }
}

impl Held {
    /// Whether it still lives, so that its number is its own.
    fn is_there(&self) -> bool {
        process::has_ended(&self.pidfd).is_ok_and(|ended| !ended)
    }
}

fn stop(pid: i32, stat: Stat, pidfd: OwnedFd, held: &mut BTreeMap<i32, Held>) {
    let _ = process::send(&pidfd, Signal::STOP);
    let session = stat.session;
    held.insert(pid, Held { pidfd, session });
}

/// Of whichever thread still has one: a main thread that ended has lost it.
fn environ(pid: i32) -> Vec<u8> {
    let of_process = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    if !of_process.is_empty() {
        return of_process;
    }
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let mut of_threads = threads.into_iter().flatten().filter_map(|thread| {
        let environ = std::fs::read(thread.ok()?.path().join("environ")).ok()?;
        (!environ.is_empty()).then_some(environ)
    });
    of_threads.next().unwrap_or_default()
}

/// Where the kernel lists them; elsewhere the next walk finds them.
fn children_of(pid: i32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let lists = threads.into_iter().flatten().filter_map(|thread| {
        let path = thread.ok()?.path().join("children");
        std::fs::read_to_string(path).ok()
    });
    lists
        .flat_map(|list| {
            let pids = list.split_whitespace().map(str::parse);
            pids.flatten().collect::<Vec<i32>>()
        })
        .collect()
}

fn own_pid() -> i32 {
    nix::unistd::getpid().as_raw()
}

fn pids() -> io::Result<impl Iterator<Item = i32>> {
    let entries = std::fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}
