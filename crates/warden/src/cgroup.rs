//! The cgroup of one run: holds its whole tree however it forks, kills all of it at once, keeps its
//! limits, and counts what the kernel killed for want of memory. The warden stays outside.
//!
//! It adds to what a warden knows without one (children, session), and replaces nothing of it. Where
//! cgroups can be made at all, [`look`] and [`open`] say.

mod root;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tenure_guard::{ClaimLock, RunId};

pub use self::root::{Cgroups, Keeper, Lack, Survey, look, look_from, open};
use crate::isolation::Isolation;
use crate::process;

/// How long to wait after a round of killing; it doubles, since what survives hangs in the kernel.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause between two rounds.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often the removal of an empty folder is tried, a millisecond apart: the kernel may let go of
/// the last process a moment after that was reaped, never long after.
const REMOVALS: u32 = 20;

/// Longer than `cgroup.events` is.
const LONGEST_EVENTS: usize = 256;

/// Where a run's cgroup is written down, in its folder: whoever closes the run of a dead warden need
/// not stand where its dispatcher stood.
const NOTE: &str = "cgroup.json";

/// The cgroup that a run has, or would have: by its names, whether it is there or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cgroup {
    /// Of the second version.
    tree: Option<PathBuf>,
    memory: Option<Kept>,
    pids: Option<Kept>,
}

/// Where a limit is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    /// In the tree's own folder.
    Unified(PathBuf),
    /// In a folder of the first version, which is made only for that.
    Legacy(PathBuf),
}

/// A cgroup that a warden made for its worker.
#[derive(Debug)]
pub(crate) struct Held {
    cgroup: Cgroup,
    note: PathBuf,
    /// `cgroup.events`: wakes when the last process is gone.
    events: Option<File>,
}

impl Cgroup {
    /// The cgroup of a run.
    pub fn of(cgroups: &Cgroups, run: RunId, lock: &ClaimLock) -> Self {
        // The run's id alone is not unique: many stores share a host.
        let name = format!("run-{run}-{}", lock.short());
        let tree = cgroups.tree.as_deref().map(|root| root.join(&name));
        let kept = |keeper: &Keeper| match keeper {
            Keeper::Unified => tree.clone().map(Kept::Unified),
            Keeper::Legacy(root) => Some(Kept::Legacy(root.join(&name))),
            Keeper::Rlimit => None,
        };
        Self {
            memory: kept(&cgroups.memory),
            pids: kept(&cgroups.pids),
            tree,
        }
    }

    /// The cgroup that the warden of a run made, by what it left in the run's folder.
    pub fn left_in(folder: &Path) -> Option<Self> {
        let note = fs::read(folder.join(NOTE)).ok()?;
        serde_json::from_slice(&note).ok()
    }

    /// Removes it where nothing is in it; whether something was there to be removed.
    pub fn remove_if_empty(&self) -> bool {
        let is_there = self.folders().any(Path::exists);
        is_there && self.members().is_empty() && self.remove()
    }

    /// Kills whatever is in it until it is empty, and removes it. Whether there was one that held
    /// the whole tree, which is proved dead then. What cannot be killed keeps its caller here. For
    /// whoever closes the run of a dead warden.
    pub fn end(&self) -> bool {
        let held = self.tree.as_deref().is_some_and(Path::is_dir);
        let mut pause = FIRST_PAUSE;
        loop {
            self.kill();
            for pid in self.members() {
                if let Ok(pidfd) = process::open(pid)
                    && self.members().contains(&pid)
                {
                    // Whom this does not reach is found again.
                    let _ = process::send(&pidfd, Signal::KILL);
                }
            }
            if self.remove() {
                return held;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes it with its limits, and notes it down in the run's folder before. What comes with it are
    /// its doors: who writes `0` to each is in. None where there is neither a tree to hold nor a
    /// limit to keep.
    ///
    /// # Errors
    /// When it cannot be made as it was asked for; names the file. Nothing is left then.
    pub(crate) fn make(
        self,
        isolation: &Isolation,
        folder: &Path,
    ) -> io::Result<Option<(Held, Vec<File>)>> {
        let note = folder.join(NOTE);
        if self.folders().next().is_none() {
            return Ok(None);
        }
        write_note(&note, &serde_json::to_vec(&self)?).map_err(|error| named(&note, &error))?;
        let doors = match self.set_up(isolation) {
            Ok(doors) => doors,
            Err(error) => {
                self.remove();
                return Err(error);
            }
        };
        if doors.is_empty() {
            return Ok(None);
        }
        let events = self.tree.as_deref().map(|tree| tree.join("cgroup.events"));
        let held = Held {
            note,
            events: events.map(File::open).transpose()?,
            cgroup: self,
        };
        Ok(Some((held, doors)))
    }

    fn set_up(&self, isolation: &Isolation) -> io::Result<Vec<File>> {
        let mut doors = Vec::new();
        if let Some(tree) = &self.tree {
            doors.push(make_folder(tree, "cgroup.procs")?);
        }
        match (&self.memory, isolation.memory_max) {
            (Some(Kept::Unified(folder)), Some(bytes)) => {
                write(folder, "memory.max", bytes)?;
                // What may be swapped out would be a second memory. Missing without swap.
                let _ = write(folder, "memory.swap.max", 0);
            }
            (Some(Kept::Legacy(folder)), Some(bytes)) => {
                doors.push(make_folder(folder, LEGACY_DOOR)?);
                write(folder, "memory.limit_in_bytes", bytes)?;
                let _ = write(folder, "memory.memsw.limit_in_bytes", bytes);
            }
            (None, _) | (_, None) => {}
        }
        match (&self.pids, isolation.pids_max) {
            (Some(Kept::Unified(folder)), Some(count)) => write(folder, "pids.max", count)?,
            (Some(Kept::Legacy(folder)), Some(count)) => {
                doors.push(make_folder(folder, LEGACY_DOOR)?);
                write(folder, "pids.max", count)?;
            }
            (None, _) | (_, None) => {}
        }
        Ok(doors)
    }

    /// Whether the kernel itself keeps `memory_max` for the whole tree.
    pub(crate) fn keeps_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// The same of `pids_max`.
    pub(crate) fn keeps_pids(&self) -> bool {
        self.pids.is_some()
    }

    /// Every folder of it; one may be named twice.
    fn folders(&self) -> impl Iterator<Item = &Path> {
        let kept = [&self.memory, &self.pids].into_iter().flatten();
        let kept = kept.map(|kept| match kept {
            Kept::Unified(folder) | Kept::Legacy(folder) => folder.as_path(),
        });
        self.tree.as_deref().into_iter().chain(kept)
    }

    /// SIGKILL to all of it at once, cgroups beneath it included; kernels from 5.14 can.
    fn kill(&self) {
        if let Some(tree) = &self.tree {
            let _ = fs::write(tree.join("cgroup.kill"), "1");
        }
    }

    fn members(&self) -> Vec<i32> {
        let lists = self
            .folders()
            .map(|folder| fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default());
        let pids = lists.flat_map(|list| {
            let pids = list.lines().filter_map(|line| line.parse::<i32>().ok());
            // Processes of a pid namespace that we do not see are listed as 0.
            pids.filter(|pid| *pid > 0).collect::<Vec<_>>()
        });
        pids.collect()
    }

    /// How many processes the kernel killed in it for want of memory.
    fn kills_for_memory(&self) -> u64 {
        let counter = match &self.memory {
            Some(Kept::Unified(folder)) => folder.join("memory.events"),
            Some(Kept::Legacy(folder)) => folder.join("memory.oom_control"),
            None => return 0,
        };
        let text = fs::read_to_string(counter).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Removes what is empty of it; whether nothing is left.
    fn remove(&self) -> bool {
        let mut gone = true;
        for folder in self.folders() {
            gone &= remove_folder(folder);
        }
        gone
    }
}

impl Held {
    /// The folder of its tree, in which a process can be made.
    pub(crate) fn open_tree(&self) -> Option<File> {
        File::open(self.cgroup.tree.as_deref()?).ok()
    }

    /// Kills everything in it.
    pub(crate) fn kill(&self) {
        self.cgroup.kill();
    }

    /// Whoever is in it.
    pub(crate) fn members(&self) -> Vec<i32> {
        self.cgroup.members()
    }

    /// Whether nobody is in it. Where that cannot be read, nothing is known against it.
    pub(crate) fn is_vacant(&self) -> bool {
        let Some(events) = &self.events else {
            return true;
        };
        // Read through the descriptor that is waited on: that is what makes it wake again.
        let mut text = [0; LONGEST_EVENTS];
        let length = events.read_at(&mut text, 0).unwrap_or_default();
        !String::from_utf8_lossy(&text[..length]).contains("populated 1")
    }

    /// Wakes (exceptionally, as poll(2) has it) when [`Held::is_vacant`] may have changed.
    pub(crate) fn events(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }

    /// Whether the kernel killed something in it for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.cgroup.kills_for_memory() > 0
    }

    /// Removes it, once it is vacant. What is left is removed by whoever closes the run.
    pub(crate) fn remove(&self) {
        if self.cgroup.remove() {
            let _ = fs::remove_file(&self.note);
        }
    }
}

fn write_note(path: &Path, json: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(json)
}

/// Moves one thread, which is all that the child of a fork has. To move a whole process the kernel
/// waits for milliseconds until nobody forks.
const LEGACY_DOOR: &str = "tasks";

/// Makes a cgroup; who writes `0` to its door is in.
fn make_folder(folder: &Path, door: &str) -> io::Result<File> {
    fs::create_dir(folder).map_err(|error| named(folder, &error))?;
    let door = folder.join(door);
    OpenOptions::new()
        .write(true)
        .open(&door)
        .map_err(|error| named(&door, &error))
}

fn write(folder: &Path, file: &str, value: u64) -> io::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value.to_string()).map_err(|error| named(&path, &error))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Removes a folder and those that the worker made in it; whether it is gone.
fn remove_folder(folder: &Path) -> bool {
    for attempt in 1.. {
        match fs::remove_dir(folder) {
            Ok(()) => return true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return true,
            Err(_) if attempt == REMOVALS => return false,
            Err(_) => {}
        }
        let inner = fs::read_dir(folder).into_iter().flatten().flatten();
        let inner = inner.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in inner {
            remove_folder(&entry.path());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}
