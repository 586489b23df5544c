//! Starts the worker's command, and says which errno and which path where that fails.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use tenure_store::life::End;

use crate::confinement::Confinement;

/// The last of the realtime signals; they have no names.
const LAST_SIGNAL: libc::c_int = 64;

/// What to start.
#[derive(Debug)]
pub(crate) struct Start {
    /// An argv that is not empty.
    pub(crate) argv: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
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
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(start.env.iter().map(|(name, value)| (name, value)));
    match start.input {
        Input::Nothing => command.stdin(Stdio::null()).process_group(0),
        Input::Callers => &mut command,
    };
    prepare_child(&mut command, &start.confinement);
    let child = command
        .spawn()
        .map_err(|error| {
            let program = program.to_string_lossy();
            start.confinement.not_started(&program, &error)
        })?;
    i32::try_from(child.id()).map_err(|_| End::NeverStarted {
        reason: "the worker's pid is none".into(),
    })
}

/// The one unsafe place: what happens in the child between fork and exec.
#[expect(
    unsafe_code,
    reason = "a parent-death signal can only be asked for by the child itself"
)]
fn prepare_child(command: &mut Command, confinement: &Arc<Confinement>) {
    let warden = nix::unistd::getpid();
    let confinement = Arc::clone(confinement);
    // SAFETY: between fork and exec only calls that are safe in a signal handler may be made. These
    // are plain system calls; none allocates, locks or unwinds.
    unsafe {
        command.pre_exec(move || {
            confinement.apply()?;
            // Whoever needs a capability of the daemon's gets it by name, not by descent.
            libc::prctl(
                libc::PR_CAP_AMBIENT,
                libc::PR_CAP_AMBIENT_CLEAR_ALL,
                0,
                0,
                0,
            );
            // Not before the change of user, which clears it.
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
