//! A folder that this warden made: known again by device and inode, and removed with everything in
//! it, and with nothing else. Whoever worked there may have put links, mounts or another folder in
//! the way.
//!
//! **Invariant:** nothing outside the folder is ever removed: each step down is taken from the open
//! folder above, follows no link and enters no other filesystem (`openat2`).

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::fs::{fchmod, fstat, mkdirat, openat2, unlinkat};
use rustix::io::Errno;

/// How deep folders may lie in each other: a descriptor is open for each.
const DEEPEST: usize = 512;

/// How a folder is opened for what is in it.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// One step down and nowhere else.
const STEP: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A folder of our own making.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    above: OwnedFd,
    device: u64,
    inode: u64,
}

impl Folder {
    /// Makes it, empty.
    pub(crate) fn make(path: PathBuf) -> io::Result<Self> {
        mkdirat(CWD, &path, Mode::RWXU)?;
        Self::known(path)
    }

    /// Takes hold of one that was made for us a moment ago.
    pub(crate) fn known(path: PathBuf) -> io::Result<Self> {
        let (Some(parent), Some(_)) = (path.parent(), path.file_name()) else {
            return Err(Errno::INVAL.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let above = rustix::fs::open(parent, flags, Mode::empty())?;
        let mut folder = Self {
            path,
            above,
            device: 0,
            inode: 0,
        };
        let stat = fstat(folder.open_any()?)?;
        (folder.device, folder.inode) = (stat.st_dev, stat.st_ino);
        Ok(folder)
    }

    /// Where it was made.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it.
    ///
    /// # Errors
    /// Where something else, or nothing, is in its place.
    pub(crate) fn open(&self) -> io::Result<OwnedFd> {
        let fd = self.open_any()?;
        let stat = fstat(&fd)?;
        if (stat.st_dev, stat.st_ino) == (self.device, self.inode) {
            Ok(fd)
        } else {
            Err(io::Error::other("another folder is in its place"))
        }
    }

    fn open_any(&self) -> io::Result<OwnedFd> {
        let name = self.path.file_name().unwrap_or_default();
        Ok(openat2(&self.above, name, FOLDER, Mode::empty(), STEP)?)
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        let mut entries = Dir::read_from(self.open()?)?;
        Ok(!entries.any(|entry| entry.is_ok_and(|entry| !is_itself(entry.file_name()))))
    }

    /// Removes it.
    ///
    /// # Errors
    /// Where it is not what was made, or something in it cannot be removed; what could not stays.
    pub(crate) fn remove(&self) -> io::Result<()> {
        empty(&self.open()?, 0)?;
        let name = self.path.file_name().unwrap_or_default();
        Ok(unlinkat(&self.above, name, AtFlags::REMOVEDIR)?)
    }
}

fn is_itself(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

/// Removes everything in an open folder.
fn empty(folder: &OwnedFd, depth: usize) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other(format!(
            "folders lie more than {DEEPEST} deep in each other"
        )));
    }
    let mode = Mode::from_raw_mode(fstat(folder)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // Whoever may remove it may change this, too. Caches are often read-only.
        fchmod(folder, mode | Mode::RWXU)?;
    }
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_itself(name) {
            continue;
        }
        let is_folder = match entry.file_type() {
            FileType::Directory => true,
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            FileType::RegularFile
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => false,
        };
        if is_folder {
            empty(&below(folder.as_fd(), name)?, depth + 1)?;
            unlinkat(folder, name, AtFlags::REMOVEDIR)?;
        } else {
            unlinkat(folder, name, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn below(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    let open = || openat2(folder, name, FOLDER, Mode::empty(), STEP);
    let opened = match open() {
        Err(Errno::ACCESS) => {
            let whole = Mode::RWXU;
            rustix::fs::chmodat(folder, name, whole, AtFlags::SYMLINK_NOFOLLOW)?;
            open()
        }
        opened => opened,
    };
    opened.map_err(|errno| {
        let name = name.to_string_lossy();
        let problem = match errno {
            Errno::XDEV => "something is mounted there".to_owned(),
            other => io::Error::from(other).to_string(),
        };
        io::Error::new(
            io::Error::from(errno).kind(),
            format!("{name:?}: {problem}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn everything_in_it_goes_and_what_a_link_points_to_stays() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "x").unwrap();
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::make(parent.path().join("scratch")).unwrap();
        assert!(folder.is_empty().unwrap());
        let deep = folder.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        symlink(outside.path(), folder.path().join("link")).unwrap();
        symlink(outside.path().join("precious"), deep.join("link")).unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o555)).unwrap();
        assert!(!folder.is_empty().unwrap());
        folder.remove().unwrap();
        assert!(!folder.path().exists());
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn what_was_put_in_its_place_is_left_alone() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "x").unwrap();
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::make(parent.path().join("scratch")).unwrap();
        let place = folder.path().to_owned();
        fs::rename(&place, parent.path().join("moved")).unwrap();
        symlink(outside.path(), &place).unwrap();
        folder.remove().unwrap_err();
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("precious"), "x").unwrap();
        let error = folder.remove().unwrap_err().to_string();
        assert!(error.contains("another folder"), "{error}");
        assert!(place.join("precious").exists());
        assert!(outside.path().join("precious").exists());
    }

    #[test]
    fn another_filesystem_in_it_is_not_entered() {
        // Only root may mount; elsewhere the kernel keeps workers from doing it, too.
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::make(parent.path().join("scratch")).unwrap();
        let point = folder.path().join("mounted");
        fs::create_dir(&point).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "tenure-test"])
            .arg(&point)
            .stderr(std::process::Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: nothing can be mounted here");
            return;
        }
        fs::write(point.join("precious"), "x").unwrap();
        let removed = folder.remove();
        let kept = point.join("precious").exists();
        let unmounted = std::process::Command::new("umount").arg(&point).status();
        assert!(unmounted.unwrap().success());
        let error = removed.unwrap_err().to_string();
        assert!(error.contains("mounted"), "{error}");
        assert!(kept);
    }
}
