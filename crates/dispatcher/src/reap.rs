//! The one place that collects children. Wardens are ours; whatever else comes to us, as subreaper
//! or as pid 1, is reaped and logged, and never classified.

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// Collects every child that has ended, and says which.
pub(crate) fn reap() -> Vec<i32> {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(status) => {
                if let Some(pid) = status.pid() {
                    tracing::debug!(process.pid = pid.as_raw(), status = ?status, "child reaped");
                    ended.push(pid.as_raw());
                }
            }
            Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::error!(error = %error, "cannot wait for children");
                return ended;
            }
        }
    }
}
