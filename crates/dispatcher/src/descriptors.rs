//! Room for open files: a dispatcher takes what it may have, and gives none of it to its workers.
//! The usual soft limit is 1024, for programs that still use select(2), and much less than a
//! thousand lifelines need.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// The raised limit; dropping it puts the one before back, for whatever this process executes next.
#[derive(Debug)]
pub(crate) struct Raised {
    soft: rlim_t,
    hard: rlim_t,
}

impl Raised {
    /// Raises the soft limit to the hard one; without that the dispatcher has fewer slots than it
    /// thinks, which shows as runs that never start.
    pub(crate) fn to_the_hard_limit() -> Option<Self> {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        if soft >= hard {
            return None;
        }
        match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
            Ok(()) => Some(Self { soft, hard }),
            Err(error) => {
                tracing::warn!(limit = soft, error = %error, "cannot allow more open files");
                None
            }
        }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        // A lower soft limit is always allowed.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, self.soft, self.hard);
    }
}
