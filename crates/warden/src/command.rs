//! Starts the worker's command, and says which errno and which path where that fails.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use tenure_store::life::End;

use crate::confinement::Confinement;
use crate::into_cgroup;

/// The last of the realtime signals; they have no names.
const LAST_SIGNAL: libc::c_int = 64;

/// What to start.
#[derive(Debug)]
pub(crate) struct Start {
    /// An argv that is not empty.
    pub(crate) argv: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// Where to run; where the warden runs, if none is named.
    pub(crate) cwd: Option<PathBuf>,
    /// What its process becomes before it is the command.
    pub(crate) confinement: Arc<Confinement>,
    /// Where the worker reads from.
    pub(crate) input: Input,
}

/// Where the worker reads from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Input {
    /// From nowhere, in a process group of its own.
    Nothing,
    /// From where the warden's caller reads; it stays in that process group, so that the terminal
    /// treats it as the caller's.
    Callers,
}

/// Starts it. Must be called from the main thread: the kernel ends the worker when the *thread*
/// that started it ends.
pub(crate) fn start(start: &Start) -> Result<i32, End> {
    let Some((program, args)) = start.argv.split_first() else {
        return Err(End::NeverStarted {
            reason: "the command is empty".into(),
        });
    };
    if let Some(cwd) = &start.cwd {
        enterable(cwd)?;
    }
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(start.env.iter().map(|(name, value)| (name, value)));
    match start.input {
        Input::Nothing => command.stdin(Stdio::null()).process_group(0),
        Input::Callers => &mut command,
    };
    confine(&mut command, start)?;
    prepare_child(&mut command);
    spawn(&mut command, &start.confinement).map_err(|error| {
        let program = program.to_string_lossy();
        let cwd = start.cwd.as_deref();
        start.confinement.not_started(&program, cwd, &error)
    })
}

/// In its cgroup from the first moment where that can be had; else it enters there itself.
fn spawn(command: &mut Command, confinement: &Confinement) -> io::Result<i32> {
    let inside = match confinement.tree() {
        Some(tree) => into_cgroup::spawn(command, tree, || confinement.note_made_inside())?,
        None => None,
    };
    match inside {
        Some(pid) => Ok(pid),
        None => i32::try_from(command.spawn()?.id()).map_err(io::Error::other),
    }
}

/// Has the child become what its confinement says, and then enter its folder: as the user it is by
/// then, who may be let in where we are not, or the other way round.
#[expect(
    unsafe_code,
    reason = "a process can only be made another user's from within"
)]
fn confine(command: &mut Command, start: &Start) -> Result<(), End> {
    let confinement = Arc::clone(&start.confinement);
    let bytes = start.cwd.as_deref().map(|cwd| cwd.as_os_str().as_bytes());
    let cwd = bytes.map(CString::new).transpose();
    let cwd = cwd.map_err(|error| not_started("in its folder", &error.into()))?;
    // SAFETY: as for [`prepare_child`]; everything that allocates was done above.
    unsafe {
        command.pre_exec(move || confinement.apply(cwd.as_deref()));
    }
    Ok(())
}

/// What every child of a warden needs to have done between fork and exec.
#[expect(
    unsafe_code,
    reason = "a parent-death signal can only be asked for by the child itself"
)]
pub(crate) fn prepare_child(command: &mut Command) {
    let warden = nix::unistd::getpid();
    // SAFETY: between fork and exec only calls that are safe in a signal handler may be made. These
    // are plain system calls; none allocates, locks or unwinds.
    unsafe {
        command.pre_exec(move || {
            // Not before a change of user, which clears it.
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The warden may have died before that; then nobody would send the signal.
            if nix::unistd::getppid() != warden {
                return Err(Errno::ESRCH.into());
            }
            // What is blocked or ignored stays so over an exec. Signals that cannot be set (two of
            // the kernel's, two of the C library's) answer with an error.
            SigSet::empty().thread_set_mask()?;
            for number in 1..=LAST_SIGNAL {
                libc::signal(number, libc::SIG_DFL);
            }
            // What the daemon may do beyond its user is not handed down by descent.
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_CLEAR_ALL,
                0,
                0,
                0,
            );
            // Ours are closed at exec anyway; these are what somebody left open for us.
            libc::close_range(
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC.cast_signed(),
            );
            Ok(())
        });
    }
}

/// A missing folder and a missing program are the same errno to whoever only reads that.
pub(crate) fn enterable(cwd: &Path) -> Result<(), End> {
    let problem = match std::fs::metadata(cwd) {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(_) => Errno::ENOTDIR.into(),
        Err(error) => error,
    };
    Err(not_started(&format!("in {}", cwd.display()), &problem))
}

/// A machine without room for one more process is our side's fault; everything else is the
/// command's.
pub(crate) fn not_started(path: &str, error: &io::Error) -> End {
    let errno = error.raw_os_error().unwrap_or_default();
    let kind = Errno::from_raw(errno);
    let message = kind.desc();
    if [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE].contains(&kind) {
        return End::NeverStarted {
            reason: format!("no room to start {path}: {message} (errno {errno})"),
        };
    }
    End::SpawnFailed {
        path: path.to_owned(),
        errno,
        message: message.to_owned(),
    }
}
