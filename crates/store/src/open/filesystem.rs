//! What must be known of a file before SQLite may touch it. Looks at paths only: closing any
//! descriptor of a database drops the locks that this process has on it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Access, StatFs};

use crate::error::OpenError;

/// Which file stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }
}

/// When a database was last written to, as its files tell: its write-ahead log grows or begins
/// anew with every commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastWritten {
    log_bytes: u64,
    log_changed: (i64, i64),
    file_changed: (i64, i64),
}

impl LastWritten {
    /// Nothing where it cannot be told.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = std::fs::metadata(log).ok()?;
        let file = std::fs::metadata(path).ok()?;
        Some(Self {
            log_bytes: log.len(),
            log_changed: (log.mtime(), log.mtime_nsec()),
            file_changed: (file.mtime(), file.mtime_nsec()),
        })
    }
}

/// Filesystems of other machines, by the magic number that statfs(2) gives.
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "nfs"),
    (0x517B, "smb"),
    (0xFE53_4D42, "smb2"),
    (0xFF53_4D42, "cifs"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x7375_7245, "coda"),
    (0x0BD0_0BD0, "lustre"),
    (0x564C, "ncp"),
];

/// The network filesystem that a magic number stands for, if it stands for one.
fn network(magic: u32) -> Option<&'static str> {
    NETWORK
        .iter()
        .find(|(known, _)| *known == magic)
        .map(|(_, name)| *name)
}

/// Refuses a path whose nearest existing ancestor lies on another machine.
pub(super) fn check_local(path: &Path) -> Result<(), OpenError> {
    let existing = path
        .ancestors()
        .map(nonempty)
        .find_map(|ancestor| rustix::fs::statfs(ancestor).ok());
    match existing.and_then(|filesystem: StatFs| network(magic(&filesystem))) {
        Some(kind) => Err(OpenError::NetworkFilesystem {
            path: path.to_owned(),
            kind: kind.to_owned(),
        }),
        None => Ok(()),
    }
}

/// The magic number in 32 bits: architectures differ in how wide and how signed they tell it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "every magic number has 32 bits"
)]
fn magic(filesystem: &StatFs) -> u32 {
    filesystem.f_type as u32
}

/// Refuses a file that cannot be written, or a folder in which no write-ahead log can be made.
pub(super) fn check_writable(path: &Path) -> Result<(), OpenError> {
    let refuse = |whose: String, error: rustix::io::Errno| OpenError::ReadOnly {
        path: path.to_owned(),
        problem: format!(
            "{whose}: {}: give this user the right to write there, or name another store",
            io::Error::from(error)
        ),
    };
    rustix::fs::access(path, Access::WRITE_OK | Access::READ_OK)
        .map_err(|error| refuse("the file itself".into(), error))?;
    let folder = folder(path);
    rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| refuse(format!("its folder {}", folder.display()), error))
}

/// The folder in which a file lies.
pub(super) fn folder(path: &Path) -> &Path {
    nonempty(path.parent().unwrap_or(Path::new("/")))
}

fn nonempty(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_filesystems_are_known_by_their_magic_and_local_ones_are_not_among_them() {
        assert_eq!(network(0x6969), Some("nfs"));
        assert_eq!(network(0xFF53_4D42), Some("cifs"));
        for local in [0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0x794C_7630] {
            assert_eq!(network(local), None, "{local:#x}");
        }
    }

    #[test]
    fn a_folder_that_is_still_missing_is_judged_by_the_one_in_which_it_will_lie() {
        let temporary = tempfile::tempdir().unwrap();
        check_local(&temporary.path().join("not/there/yet/tenure.db")).unwrap();
    }
}
