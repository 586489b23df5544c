//! Where a worker works: in the task's folder, in an empty one, or in a git worktree. The last two
//! are made before the command and cleared away when its tree is dead, on a thread of its own, since
//! git may take its time and the warden's loop may not.
//!
//! What a worker made there is only removed where nothing of it can be missed: after a success
//! (scratch), or where it is all committed (worktree). Folders of a killed warden stay.

use std::io::{self, PipeReader};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rustix::fs::fchown;
use tenure_guard::Tenure;
use tenure_store::life::End;

use crate::command;
use crate::folder::Folder;
use crate::git::{Git, Refusal};
use crate::isolation::Workspace;
use crate::worktree::Worktree;

/// Removes the folder of a run that is over, with everything in it and nothing else: it follows no
/// link and enters no other filesystem.
///
/// # Errors
/// Where something in it cannot be removed; what could not stays.
pub fn remove_run_folder(folder: &Path) -> io::Result<()> {
    Folder::known(folder.to_owned())?.remove()
}

/// The worker's half of a run's folder.
pub fn half(folder: &Path) -> PathBuf {
    folder.join("worker")
}

impl Workspace {
    /// Where a worker works whose run has this folder, and whose task is about `cwd`.
    pub fn place(self, folder: &Path, cwd: &Path) -> PathBuf {
        match self {
            Self::Dir => cwd.to_owned(),
            Self::Scratch => half(folder).join("scratch"),
            Self::Worktree => half(folder).join("worktree"),
        }
    }
}

/// A room that is to be made.
#[derive(Debug)]
pub(crate) struct Plan {
    workspace: Workspace,
    cwd: PathBuf,
    place: PathBuf,
    tenure: Tenure,
    git: Git,
}

/// A room of the run's own.
#[derive(Debug)]
pub(crate) enum Room {
    /// It began empty.
    Scratch(Folder),
    /// It began as a commit.
    Worktree(Worktree),
}

impl Plan {
    /// None where the worker works in the task's folder.
    pub(crate) fn of(brief: &crate::gate::Brief) -> Option<Self> {
        (brief.workspace != Workspace::Dir).then(|| Self {
            workspace: brief.workspace,
            cwd: brief.cwd.clone(),
            place: brief.workspace.place(&brief.folder, &brief.cwd),
            tenure: brief.tenure.clone(),
            git: Git::new(&brief.env, brief.isolation.user.as_deref()),
        })
    }

    fn make(self) -> Result<Room, End> {
        match self.workspace {
            Workspace::Dir | Workspace::Scratch => self.scratch().map(Room::Scratch),
            Workspace::Worktree => {
                command::enterable(&self.cwd)?;
                let what = format!("git worktree add in {}", self.cwd.display());
                Worktree::make(self.git, self.cwd, self.place, &self.tenure)
                    .map(Room::Worktree)
                    .map_err(|refusal| refused(what, refusal))
            }
        }
    }

    fn scratch(self) -> Result<Folder, End> {
        let failed = |error: io::Error| End::NeverStarted {
            reason: format!("cannot make {}: {error}", self.place.display()),
        };
        let account = self.git.account().map_err(|refusal| match refusal {
            Refusal::Unable(error) => failed(error),
            Refusal::Refused(reason) => End::NeverStarted { reason },
        })?;
        let folder = Folder::make(self.place.clone()).map_err(failed)?;
        if let Some(user) = account {
            let uid = rustix::process::Uid::from_raw(user.uid);
            let gid = rustix::process::Gid::from_raw(user.gid);
            let given = folder
                .open()
                .and_then(|fd| Ok(fchown(fd, Some(uid), Some(gid))?));
            given.map_err(failed)?;
        }
        Ok(folder)
    }
}

fn refused(what: String, refusal: Refusal) -> End {
    match refusal {
        Refusal::Refused(message) => End::SpawnFailed {
            path: what,
            errno: 0,
            message,
        },
        Refusal::Unable(error) => match error.raw_os_error() {
            Some(errno) => command::not_started(&what, &io::Error::from_raw_os_error(errno)),
            None => End::SpawnFailed {
                path: what,
                errno: 0,
                message: error.to_string(),
            },
        },
    }
}

impl Room {
    /// Takes it away as far as nothing in it can be missed; or says, for people, what stays where.
    fn clear(&self, success: bool) -> Option<String> {
        match self {
            Self::Worktree(worktree) => worktree.clear().err(),
            Self::Scratch(folder) => {
                let stays = |why: &str| {
                    let path = folder.path().display();
                    Some(format!("the scratch folder {path} stays: {why}"))
                };
                if !success && !folder.is_empty().unwrap_or(false) {
                    return stays("the run was no success");
                }
                match folder.remove() {
                    Ok(()) => None,
                    Err(error) => stays(&error.to_string()),
                }
            }
        }
    }
}

/// What is being done on a thread; readable once it is done.
#[derive(Debug)]
pub(crate) struct Work<T> {
    done: PipeReader,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Work<T> {
    fn begin(work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (done, bell) = io::pipe()?;
        let thread = std::thread::Builder::new().spawn(move || {
            let result = work();
            // Rings by being closed; by a panic, too.
            drop(bell);
            result
        })?;
        Ok(Self { done, thread })
    }

    /// What came of it; none where it broke down.
    fn result(self) -> Option<T> {
        self.thread.join().ok()
    }
}

/// How far the run's room is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// There is none (any more).
    Gone,
    /// It is being made.
    Making(Work<Result<Room, End>>),
    /// The worker has it.
    Open(Room),
    /// It is being taken away.
    Clearing(Work<Option<String>>),
}

impl Stage {
    /// Begins to make it.
    pub(crate) fn make(plan: Plan) -> Result<Self, End> {
        Work::begin(move || plan.make())
            .map(Self::Making)
            .map_err(|error| End::NeverStarted {
                reason: format!("no thread for the workspace: {error}"),
            })
    }

    /// What to wait for.
    pub(crate) fn work(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Making(work) => Some(work.done.as_fd()),
            Self::Clearing(work) => Some(work.done.as_fd()),
            Self::Gone | Self::Open(_) => None,
        }
    }

    /// Takes in what was done; an error says why there is no room.
    pub(crate) fn advance(self) -> (Self, Result<(), End>) {
        match self {
            Self::Making(work) => match work.result() {
                Some(Ok(room)) => (Self::Open(room), Ok(())),
                Some(Err(end)) => (Self::Gone, Err(end)),
                None => {
                    let reason = "the workspace could not be made".to_owned();
                    (Self::Gone, Err(End::NeverStarted { reason }))
                }
            },
            Self::Clearing(work) => {
                if let Some(line) = work.result().flatten() {
                    say(&line);
                }
                (Self::Gone, Ok(()))
            }
            resting @ (Self::Gone | Self::Open(_)) => (resting, Ok(())),
        }
    }

    /// Begins to take it away, once.
    pub(crate) fn clear(self, success: bool) -> Self {
        match self {
            Self::Open(room) => match Work::begin(move || room.clear(success)) {
                Ok(work) => Self::Clearing(work),
                // Nothing is lost by that.
                Err(error) => {
                    say(&format!(
                        "the workspace stays: no thread to clear it ({error})"
                    ));
                    Self::Gone
                }
            },
            other @ (Self::Gone | Self::Making(_) | Self::Clearing(_)) => other,
        }
    }
}

/// A line of our own in the run's log, which is our standard error.
pub(crate) fn say(line: &str) {
    eprintln!("tenure: {line}");
}
