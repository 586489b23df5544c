//! What is done to a worker's process between fork and exec, so that it has what its profile asks
//! for and nothing of its warden's. All that needs looking up is looked up before.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::lchown;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chdir, setgroups, setresgid, setresuid, write};
use tenure_store::life::End;

use crate::account::{Account, let_pass};
use crate::cgroup::{Cgroup, Held};
use crate::command;
use crate::gate::Brief;
use crate::isolation::{self, Isolation};

/// The umask of workers whose profile names none: what most programs are written for. The
/// dispatcher's own, under which nobody else reads its files, is not theirs.
const UMASK: u32 = 0o022;

/// Where the step begins in the number that a child hands to its parent; an errno lies beneath.
const STEP_SHIFT: u32 = 16;

/// Everything that is done, in this order; nothing by default.
#[derive(Debug, Default)]
pub(crate) struct Confinement {
    /// The doors of its cgroup; the first is the tree's, where there is one.
    doors: Vec<File>,
    /// The tree's folder.
    tree: Option<File>,
    /// Whether this process was made in the tree.
    was_made_inside: AtomicBool,
    /// Whether we stand with the OOM killer otherwise than a worker should.
    has_oom_score: bool,
    /// The usual limit on open files, which its dispatcher raised for itself.
    open_files: Option<(rlim_t, rlim_t)>,
    rlimits: Vec<Rlimit>,
    nice: Option<i32>,
    umask: Option<Mode>,
    user: Option<User>,
    no_new_privs: bool,
}

#[derive(Debug)]
struct Rlimit {
    name: String,
    resource: Resource,
    soft: rlim_t,
    hard: rlim_t,
}

#[derive(Debug)]
struct User {
    name: String,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

/// What can fail before the command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Cgroup,
    Nice,
    User,
    NoNewPrivs,
    Folder,
    /// By its place in the list.
    Rlimit(usize),
}

impl Confinement {
    /// What a brief asks for, and the run's cgroup, where it has one.
    pub(crate) fn prepare(brief: &Brief) -> Result<(Self, Option<Held>), End> {
        let account = account(brief)?;
        let asked = &brief.isolation;
        let cgroup = Cgroup::of(&brief.cgroups, brief.tenure.run, &brief.tenure.lock);
        let rlimits = rlimits(asked, &cgroup)?;
        let (held, doors) = match cgroup.make(asked, &brief.folder) {
            Ok(Some((held, doors))) => (Some(held), doors),
            Ok(None) => (None, Vec::new()),
            // Without a limit to keep, the tree is found without a cgroup too.
            Err(_) if asked.memory_max.or(asked.pids_max).is_none() => (None, Vec::new()),
            Err(error) => {
                return Err(End::NeverStarted {
                    reason: format!("no cgroup for the run: {error}"),
                });
            }
        };
        let confinement = Self {
            doors,
            tree: held.as_ref().and_then(Held::open_tree),
            was_made_inside: AtomicBool::new(false),
            has_oom_score: has_oom_score(),
            open_files: brief.open_files.and_then(open_files),
            rlimits,
            nice: asked.nice,
            umask: Some(Mode::from_bits_truncate(asked.umask.unwrap_or(UMASK))),
            user: account.as_ref().and_then(User::of),
            no_new_privs: asked.no_new_privs,
        };
        Ok((confinement, held))
    }

    /// The cgroup in which the process shall be made, where one can be.
    pub(crate) fn tree(&self) -> Option<BorrowedFd<'_>> {
        self.tree.as_ref().map(AsFd::as_fd)
    }

    /// This process was made in the tree, and need not enter it.
    pub(crate) fn note_made_inside(&self) {
        self.was_made_inside.store(true, Ordering::Relaxed);
    }

    /// Does it, in the child, and enters the folder. Only system calls, and no allocation: the child
    /// of a fork may hold a lock that nobody will ever open. The error is a number for
    /// [`Confinement::not_started`].
    pub(crate) fn apply(&self, cwd: Option<&CStr>) -> io::Result<()> {
        self.take_steps(cwd)
            .map_err(|(step, errno)| io::Error::from_raw_os_error(step.encode(errno)))
    }

    fn take_steps(&self, cwd: Option<&CStr>) -> Result<(), (Step, Errno)> {
        let passed = usize::from(self.was_made_inside.load(Ordering::Relaxed));
        for door in self.doors.iter().skip(passed) {
            write(door, b"0").map_err(|errno| (Step::Cgroup, errno))?;
        }
        if self.has_oom_score {
            put_oom_score_back();
        }
        if let Some((soft, hard)) = self.open_files {
            // It is lowered, which is always allowed.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
        for (place, limit) in self.rlimits.iter().enumerate() {
            setrlimit(limit.resource, limit.soft, limit.hard)
                .map_err(|errno| (Step::Rlimit(place), errno))?;
        }
        if let Some(nice) = self.nice {
            rustix::process::setpriority_process(None, nice)
                .map_err(|errno| (Step::Nice, Errno::from_raw(errno.raw_os_error())))?;
        }
        if let Some(mask) = self.umask {
            umask(mask);
        }
        if let Some(user) = &self.user {
            user.become_it().map_err(|errno| (Step::User, errno))?;
        }
        if self.no_new_privs {
            prctl::set_no_new_privs().map_err(|errno| (Step::NoNewPrivs, errno))?;
        }
        if let Some(cwd) = cwd {
            chdir(cwd).map_err(|errno| (Step::Folder, errno))?;
        }
        Ok(())
    }

    /// What an error of the spawn means. Without a step it is the command's, except where limits
    /// of the profile can be why there is no room; a cgroup that cannot be entered is our side's
    /// fault.
    pub(crate) fn not_started(&self, program: &str, cwd: Option<&Path>, error: &io::Error) -> End {
        let number = error.raw_os_error().unwrap_or_default();
        let errno = errno_of(number);
        let with = match Step::decode(number) {
            None if self.rlimits.is_empty() => return command::not_started(program, error),
            None => program.to_owned(),
            Some(Step::Cgroup) => {
                return End::NeverStarted {
                    reason: format!("no way into the run's cgroup: {}", errno.desc()),
                };
            }
            Some(Step::Nice) => format!("with nice = {}", self.nice.unwrap_or_default()),
            Some(Step::User) => as_user(self.user.as_ref().map_or("", |user| &user.name)),
            Some(Step::NoNewPrivs) => "with no_new_privs = true".to_owned(),
            Some(Step::Folder) => format!("in {}", cwd.unwrap_or(Path::new(".")).display()),
            Some(Step::Rlimit(place)) => match self.rlimits.get(place) {
                Some(limit) => limit.to_string(),
                None => "with its rlimits".to_owned(),
            },
        };
        failed(with, errno)
    }
}

impl Step {
    /// Rlimits come after all others.
    const FIRST_RLIMIT: i32 = 16;

    fn encode(self, errno: Errno) -> i32 {
        let step = match self {
            Self::Cgroup => 1,
            Self::Nice => 2,
            Self::User => 3,
            Self::NoNewPrivs => 4,
            Self::Folder => 5,
            Self::Rlimit(place) => Self::FIRST_RLIMIT + i32::try_from(place).unwrap_or_default(),
        };
        (step << STEP_SHIFT) | errno as i32
    }

    fn decode(number: i32) -> Option<Self> {
        match number >> STEP_SHIFT {
            1 => Some(Self::Cgroup),
            2 => Some(Self::Nice),
            3 => Some(Self::User),
            4 => Some(Self::NoNewPrivs),
            5 => Some(Self::Folder),
            step => usize::try_from(step - Self::FIRST_RLIMIT)
                .ok()
                .map(Self::Rlimit),
        }
    }
}

impl User {
    /// None where we are that user, and may not change anything about it.
    fn of(account: &Account) -> Option<Self> {
        let is_all_we_can_be = account.is_ours() && !Uid::effective().is_root();
        (!is_all_we_can_be).then(|| Self {
            name: account.name.clone(),
            uid: Uid::from_raw(account.uid),
            gid: Gid::from_raw(account.gid),
            groups: account.groups.iter().copied().map(Gid::from_raw).collect(),
        })
    }

    /// The groups first: afterwards we may not any more.
    fn become_it(&self) -> Result<(), Errno> {
        setgroups(&self.groups)?;
        setresgid(self.gid, self.gid, self.gid)?;
        setresuid(self.uid, self.uid, self.uid)
    }
}

impl std::fmt::Display for Rlimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.soft {
            RLIM_INFINITY => write!(f, "with rlimits.{} = \"unlimited\"", self.name),
            soft => write!(f, "with rlimits.{} = {soft}", self.name),
        }
    }
}

fn errno_of(number: i32) -> Errno {
    Errno::from_raw(number & ((1 << STEP_SHIFT) - 1))
}

/// How a worker's user is named where something fails for it.
pub(crate) fn as_user(name: &str) -> String {
    format!("as user {name}")
}

/// It is the profile that asks for what cannot be had.
pub(crate) fn failed(path: String, errno: Errno) -> End {
    End::SpawnFailed {
        path,
        errno: errno as i32,
        message: errno.desc().to_owned(),
    }
}

/// Who the worker shall be, where its profile says; the socket is that user's then, and nobody
/// else's.
fn account(brief: &Brief) -> Result<Option<Account>, End> {
    let Some(name) = &brief.isolation.user else {
        return Ok(None);
    };
    let account = Account::find(name).map_err(|error| End::NeverStarted {
        reason: format!("user {name:?} cannot be looked up: {error}"),
    })?;
    let Some(account) = account else {
        return Err(End::SpawnFailed {
            path: as_user(name),
            errno: Errno::ENOENT as i32,
            message: "there is no such user on this host".to_owned(),
        });
    };
    if !account.is_ours() {
        let given = lchown(&brief.socket, Some(account.uid), None);
        given
            .and_then(|()| brief.socket.parent().map_or(Ok(()), let_pass))
            .map_err(|error| {
                let errno = error.raw_os_error().unwrap_or_default();
                failed(as_user(name), Errno::from_raw(errno))
            })?;
    }
    Ok(Some(account))
}

/// What the profile names, and what stands in for a cgroup that is not there. What is named
/// outranks what stands in.
fn rlimits(asked: &Isolation, cgroup: &Cgroup) -> Result<Vec<Rlimit>, End> {
    let mut wanted = asked.rlimits.clone();
    if let Some(bytes) = asked.memory_max.filter(|_| !cgroup.keeps_memory()) {
        wanted.entry("as".to_owned()).or_insert(Some(bytes));
    }
    if let Some(count) = asked.pids_max.filter(|_| !cgroup.keeps_pids()) {
        wanted.entry("nproc".to_owned()).or_insert(Some(count));
    }
    let limits = wanted.into_iter().map(|(name, limit)| {
        let Some(resource) = isolation::Rlimit::find(&name).map(isolation::Rlimit::resource) else {
            return Err(failed(format!("with rlimits.{name}"), Errno::EINVAL));
        };
        let soft = limit.unwrap_or(RLIM_INFINITY);
        let hard = match getrlimit(resource) {
            // Where both are the same the kernel kills at once; this way the signal says why.
            Ok((_, now)) if resource == Resource::RLIMIT_CPU && soft < now => soft + 1,
            Ok(_) | Err(_) => soft,
        };
        Ok(Rlimit {
            name,
            resource,
            soft,
            hard,
        })
    });
    limits.collect()
}

/// The limits to be put back; none where nothing was raised.
fn open_files(usual: rlim_t) -> Option<(rlim_t, rlim_t)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    (usual < soft).then_some((usual, hard))
}

/// Whether our score with the OOM killer is another than a worker's, which is 0.
fn has_oom_score() -> bool {
    std::fs::read_to_string("/proc/self/oom_score_adj").is_ok_and(|score| score.trim() != "0")
}

/// A daemon is protected from the OOM killer; its workers are what it shall choose among. Raising
/// the score needs no privilege. Lowering one that somebody raised may, and then it stays.
fn put_oom_score_back() {
    // The files of a process that is not dumpable belong to root. Exec makes the worker dumpable
    // anyway; what this copy of us knows is gone then.
    let _ = prctl::set_dumpable(true);
    if let Ok(file) = open(
        c"/proc/self/oom_score_adj",
        OFlag::O_WRONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    ) {
        let _ = write(&file, b"0");
    }
    let _ = prctl::set_dumpable(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_and_its_errno_come_back_from_one_number() {
        let steps = [
            Step::Cgroup,
            Step::Nice,
            Step::User,
            Step::NoNewPrivs,
            Step::Folder,
            Step::Rlimit(0),
            Step::Rlimit(15),
        ];
        for step in steps {
            let number = step.encode(Errno::EPERM);
            assert_eq!(Step::decode(number), Some(step));
            assert_eq!(errno_of(number), Errno::EPERM);
        }
        assert_eq!(Step::decode(Errno::ENOENT as i32), None);
    }
}
