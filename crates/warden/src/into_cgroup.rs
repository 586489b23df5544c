//! Makes a process within a cgroup. To be moved into one costs a process some milliseconds, since the
//! kernel waits until nobody forks; to be born in one costs nothing.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use rustix::process::{Pid, WaitOptions, waitpid};

/// The kernel's flag, which libc does not name: it has more bits than an `int`.
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// Starts the command in the cgroup whose folder this is; its pid. `in_child` is called in the new
/// process before anything else. None where that cannot be done: the kernel is older than 5.7 or
/// is not asked for it, or we have other threads, one of which may hold a lock that the copy of this
/// one would wait for.
#[expect(
    unsafe_code,
    reason = "no library makes a process in a cgroup, and that it is a copy must be said"
)]
pub(crate) fn spawn(
    command: &mut Command,
    cgroup: BorrowedFd,
    in_child: impl FnOnce(),
) -> io::Result<Option<i32>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Ok(None);
    }
    let (mut told, mut teller) = io::pipe()?;
    // SAFETY: all fields are numbers, and zero means "nothing asked" for each.
    let mut asked: libc::clone_args = unsafe { std::mem::zeroed() };
    asked.flags = CLONE_INTO_CGROUP;
    asked.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    asked.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    // SAFETY: without a stack of its own the child is a copy of this process, as after fork(2). This is
    // its only thread, so that the copy holds every lock that it could need.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const asked, size_of_val(&asked)) };
    if pid < 0 {
        return Ok(None);
    }
    if pid == 0 {
        in_child();
        let error = command.exec();
        let number = error.raw_os_error().unwrap_or(libc::EINVAL);
        let _ = teller.write_all(&number.to_ne_bytes());
        // SAFETY: it ends the copy at once; nothing of the original is flushed or dropped twice.
        unsafe { libc::_exit(libc::EXIT_FAILURE) };
    }
    drop(teller);
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    let mut number = [0; size_of::<libc::c_int>()];
    // An exec that succeeds closes the pipe without a word.
    if told.read_exact(&mut number).is_err() {
        return Ok(Some(pid));
    }
    // Interrupted, the copy is reaped with whatever else ends.
    let _ = waitpid(Pid::from_raw(pid), WaitOptions::empty());
    Err(Errno::from_raw(libc::c_int::from_ne_bytes(number)).into())
}
