//! What the kernel can do, and what it shows of processes and cgroups.

use std::fs;

use nix::unistd::{Pid, geteuid};
use rustix::fs::{FallocateFlags, Mode, OFlags};
use tenure_store::dispatcher::Dispatcher;
use tenure_warden::cgroup::{self, Cgroups};
use tenure_warden::process::Process;

use super::Finding;

/// Looks at all of it.
pub fn look(served: Option<&Dispatcher>) -> Vec<Finding> {
    vec![
        identity(),
        exit_info(),
        subreaper(),
        visibility(),
        cgroups(served),
        holes(),
    ]
}

/// Whether a process can be held, and told from a later one with its number.
fn identity() -> Finding {
    let check = "pidfd";
    match Process::of(Pid::this().as_raw(), "") {
        Ok(process) if process.id().inode != 0 => {
            Finding::ok(check, "processes are held by pidfd and told apart by inode")
        }
        Ok(_) => Finding::notice(
            check,
            "this kernel gives processes no inode",
            "a process is known by pid and start time, which another one can have within 10 ms",
            "a kernel from 6.9 on",
        ),
        Err(error) => Finding::problem(
            check,
            format!("a process cannot be held by pidfd: {error}"),
            "no worker can be started or ended safely",
            "a kernel from 5.3 on, and /proc mounted",
        ),
    }
}

/// What the kernel keeps of processes that have ended. Nothing asks for it yet, so that its absence
/// costs nothing.
fn exit_info() -> Finding {
    let check = "pidfd info";
    let found = match release() {
        Some(release) if release >= (6, 15) => "the kernel keeps exits for pidfds".to_owned(),
        Some((major, minor)) => format!(
            "kernel {major}.{minor} keeps no exits for pidfds (6.15 does), which nothing here asks for"
        ),
        None => "the kernel's version is not understood".to_owned(),
    };
    Finding::ok(check, found)
}

fn release() -> Option<(u32, u32)> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = text.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn subreaper() -> Finding {
    let check = "subreaper";
    match nix::sys::prctl::get_child_subreaper() {
        Ok(_) => Finding::ok(check, "orphans of a worker come to its warden"),
        Err(errno) => Finding::problem(
            check,
            format!("no process can be a subreaper: {errno}"),
            "a worker's orphans escape its warden",
            "a kernel from 3.4 on, and no filter of system calls that forbids prctl",
        ),
    }
}

/// Whether `/proc` shows us our own wardens: they cannot be dumped, and are hidden as strangers are.
fn visibility() -> Finding {
    let check = "/proc";
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    match hides(&mounts) {
        Some(option) if !geteuid().is_root() => Finding::problem(
            check,
            format!("it is mounted with {option}"),
            "wardens are hidden from their own dispatcher, which can start none",
            "mount /proc without hidepid; in a unit ProtectProc=default",
        ),
        Some(_) | None => Finding::ok(check, "it shows all processes"),
    }
}

/// The option by which `/proc` hides processes.
fn hides(mounts: &str) -> Option<&str> {
    let line = mounts
        .lines()
        .rfind(|line| line.split(' ').nth(1) == Some("/proc"))?;
    let options = line.split(' ').nth(3)?;
    options.split(',').find(|option| {
        let value = option.strip_prefix("hidepid=");
        value.is_some_and(|value| !matches!(value, "0" | "off"))
    })
}

/// Where runs get cgroups of their own, and which limits those keep: by the place of the dispatcher
/// that serves here, else by what one that is started here would find.
fn cgroups(served: Option<&Dispatcher>) -> Finding {
    let check = "cgroup";
    let survey = match served {
        Some(dispatcher) => cgroup::look_from(dispatcher.process.pid),
        None => cgroup::look(),
    };
    let Cgroups { tree, memory, pids } = survey.cgroups;
    let kept = format!("memory_max is kept by {memory}, pids_max by {pids}");
    match (survey.lack, tree) {
        (None, Some(tree)) => Finding::ok(
            check,
            format!("each run gets one in {}; {kept}", tree.display()),
        ),
        (lack, _) => Finding::notice(
            check,
            lack.map_or_else(
                || "no place for those of runs".to_owned(),
                |lack| lack.to_string(),
            ),
            format!("a tree is found by session, subreaper and environment; {kept}"),
            "run as a unit with Delegate=yes, as ours are",
        ),
    }
}

/// Whether the state's filesystem can drop the oldest part of a log. Tried on a file without a name.
fn holes() -> Finding {
    let check = "logs";
    let Some(state) = crate::folders::state().ok().filter(|path| path.is_dir()) else {
        return Finding::ok(check, "there is no state folder yet to try holes in");
    };
    let file = rustix::fs::open(
        &state,
        OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
        Mode::RUSR | Mode::WUSR,
    );
    let punched = file.and_then(|file| {
        rustix::fs::ftruncate(&file, 8192)?;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&file, hole, 0, 4096)
    });
    match punched {
        Ok(()) => Finding::ok(
            check,
            format!(
                "the oldest part of a log in {} can be dropped",
                state.display()
            ),
        ),
        Err(errno) => Finding::notice(
            check,
            format!("no holes can be made in {}: {errno}", state.display()),
            "a log grows over `log_max_bytes`, and says so",
            "a state folder on ext4, xfs, btrfs or tmpfs that this user may write",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_of_proc_says_whether_processes_are_hidden() {
        let plain = "proc /proc proc rw,nosuid 0 0\n";
        assert_eq!(hides(plain), None);
        let over = format!("{plain}proc /proc proc rw,hidepid=invisible 0 0\n");
        assert_eq!(hides(&over), Some("hidepid=invisible"));
        let back = format!("{over}proc /proc proc rw,hidepid=off 0 0\n");
        assert_eq!(hides(&back), None);
    }
}
