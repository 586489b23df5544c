//! A git worktree of a run's own: made on a new branch from where its repository stands, and taken
//! away again as far as nothing of the worker's is lost by that.
//!
//! After the run git is asked by the folder in which it keeps the worktree's state, remembered from
//! the making, and not by what lies in the worktree: a worker may have put another repository there.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tenure_guard::Tenure;

use crate::folder::Folder;
use crate::git::{self, Git, Refusal};

/// How many branches of one run's name are tried: another store may have counted up to the same run
/// in the same repository.
const MOST_NAMES: u32 = 100;

/// How long other wardens may hold us up that make or forget worktrees of the same repository: each
/// takes some hundredths of a second, and as many may wait as a dispatcher has slots.
const QUEUE: Duration = Duration::from_mins(1);

/// How often we look whether it is our turn.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A worktree.
#[derive(Debug)]
pub(crate) struct Worktree {
    git: Git,
    /// Where the repository is: the task's folder.
    source: PathBuf,
    folder: Folder,
    /// Where git keeps the worktree's state.
    state: String,
    branch: String,
    /// The commit that it began with.
    base: String,
}

impl Worktree {
    /// Makes one of the repository around `source`.
    pub(crate) fn make(
        git: Git,
        source: PathBuf,
        place: PathBuf,
        tenure: &Tenure,
    ) -> Result<Self, Refusal> {
        // First, so that a folder that is in no repository is said to be just that.
        git.ask(&source, &["rev-parse", "--git-dir"])?;
        let base = git
            .ask(
                &source,
                &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
            )
            .map_err(|refusal| match refusal {
                Refusal::Refused(_) => Refusal::Refused(
                    "the repository has no commit to begin with: make one".to_owned(),
                ),
                unable @ Refusal::Unable(_) => unable,
            })?;
        let turn = await_turn(&git, &source)?;
        let branch = free_branch(&git, &source, tenure)?;
        let words = [
            "worktree",
            "add",
            "--quiet",
            "--no-track",
            "-b",
            &branch,
            git::text(&place)?,
            &base,
        ];
        if let Err(refusal) = git.ask(&source, &words) {
            // It was free, so it is ours; where git did not come so far, there is none.
            let _ = remove_branch(&git, &source, &branch, &base);
            return Err(refusal);
        }
        drop(turn);
        let state = git.ask(&place, &["rev-parse", "--absolute-git-dir"])?;
        Ok(Self {
            folder: Folder::known(place).map_err(Refusal::Unable)?,
            git,
            source,
            state,
            branch,
            base,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes it away; or says, for people, why it stays.
    pub(crate) fn clear(&self) -> Result<(), String> {
        let stays = |why: &str| {
            let (path, branch) = (self.path().display(), &self.branch);
            format!("the worktree {path} (branch {branch}) stays: {why}")
        };
        let unsure = |refusal: Refusal| match refusal {
            Refusal::Unable(error) => stays(&error.to_string()),
            Refusal::Refused(words) => stays(&format!("git says {words:?}")),
        };
        self.folder
            .open()
            .map_err(|error| stays(&error.to_string()))?;
        let status = ["status", "--porcelain", "--untracked-files=normal"];
        if !self.ask_inside(&status).map_err(unsure)?.is_empty() {
            return Err(stays("something in it is in no commit"));
        }
        let head = self.ask_inside(&["rev-parse", "HEAD"]).map_err(unsure)?;
        if head != self.base && !self.is_on_a_branch(&head).map_err(unsure)? {
            return Err(stays("its commits are on no branch"));
        }
        self.folder
            .remove()
            .map_err(|error| stays(&error.to_string()))?;
        self.forget().map_err(unsure)
    }

    fn ask_inside(&self, words: &[&str]) -> Result<String, Refusal> {
        let state = format!("--git-dir={}", self.state);
        let tree = format!("--work-tree={}", git::text(self.path())?);
        let words: Vec<&str> = [state.as_str(), tree.as_str()]
            .into_iter()
            .chain(words.iter().copied())
            .collect();
        self.git.ask(self.path(), &words)
    }

    fn is_on_a_branch(&self, commit: &str) -> Result<bool, Refusal> {
        let words = ["for-each-ref", "--count=1", "--contains", commit];
        Ok(!self.git.ask(&self.source, &words)?.is_empty())
    }

    /// Takes the repository's memory of it away: this worktree's and no other's, which `worktree
    /// prune` would do, and the branch where nothing was committed to it.
    fn forget(&self) -> Result<(), Refusal> {
        let path = git::text(self.path())?;
        let turn = await_turn(&self.git, &self.source)?;
        self.git
            .ask(&self.source, &["worktree", "remove", "--force", path])?;
        drop(turn);
        let name = format!("refs/heads/{}", self.branch);
        let tip = ["rev-parse", "--verify", "--quiet", &name];
        if self
            .git
            .ask(&self.source, &tip)
            .is_ok_and(|tip| tip == self.base)
        {
            remove_branch(&self.git, &self.source, &self.branch, &self.base)?;
        }
        Ok(())
    }
}

/// Our turn to change the repository's list of worktrees, for as long as the answer lives. Git reads
/// them all for each change, and takes one that is half made for damage; so wardens go one by one. It
/// is a lock on the repository's folder, which the kernel drops with its holder.
fn await_turn(git: &Git, source: &Path) -> Result<File, Refusal> {
    let repository = source.join(git.ask(source, &["rev-parse", "--git-common-dir"])?);
    let turn = File::open(&repository).map_err(Refusal::Unable)?;
    let until = Instant::now() + QUEUE;
    loop {
        match turn.try_lock() {
            Ok(()) => return Ok(turn),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(BETWEEN_LOOKS);
            }
            Err(TryLockError::WouldBlock) => {
                let problem = format!(
                    "somebody has locked {} for {} s",
                    repository.display(),
                    QUEUE.as_secs()
                );
                return Err(Refusal::Unable(io::Error::new(
                    io::ErrorKind::TimedOut,
                    problem,
                )));
            }
            Err(TryLockError::Error(error)) => return Err(Refusal::Unable(error)),
        }
    }
}

/// Only if it stands where the worktree began.
fn remove_branch(git: &Git, source: &Path, branch: &str, base: &str) -> Result<(), Refusal> {
    let name = format!("refs/heads/{branch}");
    git.ask(source, &["update-ref", "-d", &name, base])
        .map(|_| ())
}

fn free_branch(git: &Git, source: &Path, tenure: &Tenure) -> Result<String, Refusal> {
    let name = format!("tenure/task-{}-run-{}", tenure.task, tenure.run);
    let pattern = format!("refs/heads/{name}*");
    let words = ["for-each-ref", "--format=%(refname:lstrip=2)", &pattern];
    let taken = git.ask(source, &words)?;
    let is_free = |name: &String| taken.lines().all(|line| line != name);
    std::iter::once(name.clone())
        .chain((2..=MOST_NAMES).map(|number| format!("{name}-{number}")))
        .find(is_free)
        .ok_or_else(|| {
            Refusal::Refused(format!(
                "{MOST_NAMES} branches are called {name}: delete some"
            ))
        })
}
