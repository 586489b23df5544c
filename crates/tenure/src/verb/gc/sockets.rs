//! Sockets that nobody listens on: whoever made one was killed. Whose a short path under `/tmp` is does
//! not matter then: nobody can ever answer there again.

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use tenure_store::gc::Amount;

/// How old a socket must be: one that is being made is bound before it listens.
const SETTLED: Duration = Duration::from_mins(1);

/// Removes those of the state folder, of the store's folder and of the short paths, or counts them.
pub fn clear(state: &Path, store: &Path, dry_run: bool) -> Amount {
    let uid = nix::unistd::geteuid().as_raw();
    let short = PathBuf::from(format!("/tmp/tenure-{uid}"));
    let mut amount = Amount::default();
    for folder in [state, store, &short] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if is_dead(&path, uid) && (dry_run || std::fs::remove_file(&path).is_ok()) {
                amount.count += 1;
            }
        }
    }
    amount
}

/// Whether it is a socket of ours, not made just now, to which the kernel says that nobody listens.
fn is_dead(path: &Path, uid: u32) -> bool {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return false;
    };
    let age = metadata.modified().ok().and_then(age_of);
    metadata.file_type().is_socket()
        && metadata.uid() == uid
        && path
            .extension()
            .is_some_and(|extension| extension == "sock")
        && age.is_some_and(|age| age >= SETTLED)
        && is_refused(path)
}

/// Whether the kernel refuses a connection. One that would have to wait has somebody at its other end,
/// perhaps stopped.
fn is_refused(path: &Path) -> bool {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let Ok(socket) = socket(AddressFamily::Unix, SockType::Stream, flags, None) else {
        return false;
    };
    UnixAddr::new(path)
        .is_ok_and(|address| connect(socket.as_raw_fd(), &address) == Err(Errno::ECONNREFUSED))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file's age is told by this host's clock, which wrote its time"
)]
fn age_of(made: SystemTime) -> Option<Duration> {
    SystemTime::now().duration_since(made).ok()
}
