//! Where a socket can be: the kernel takes a path of 107 bytes, and folders may be deeper than that.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The longest path that is used as it is. Below the kernel's 107, so that a longer name of the
/// same kind still fits.
const LONGEST: usize = 100;

/// The path of the socket `name` in `folder`, or, where that is too long, one under
/// `/tmp/tenure-<uid>/` that belongs to this path alone.
///
/// # Errors
/// When the short folder cannot be made, or is not ours alone: names it and what is wrong.
pub fn socket_path(folder: &Path, name: &str) -> io::Result<PathBuf> {
    short_of(&folder.join(name), Path::new("/tmp"))
}

fn short_of(path: &Path, root: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() <= LONGEST {
        return Ok(path.to_owned());
    }
    let uid = nix::unistd::geteuid().as_raw();
    let folder = root.join(format!("tenure-{uid}"));
    make_private(&folder, uid)?;
    let name = uuid::Uuid::new_v4().simple().to_string();
    Ok(folder.join(format!("{name}.sock")))
}

/// Makes the folder, or makes sure that nobody else made it or can look into it.
fn make_private(folder: &Path, uid: u32) -> io::Result<()> {
    let refuse = |problem: &str| {
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} {problem}: remove it", folder.display()),
        ))
    };
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // Of the name itself, not of what a link points to.
    let metadata = std::fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return refuse("is no folder");
    }
    if metadata.uid() != uid {
        return refuse("belongs to another user");
    }
    // Workers of other users may pass through to their own sockets, whose names nobody can guess.
    if metadata.mode() & 0o066 != 0 {
        return refuse("is open to others");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn long() -> PathBuf {
        Path::new("/").join("x".repeat(LONGEST))
    }

    #[test]
    fn a_short_path_stays_and_a_long_one_moves_to_a_folder_of_ours() {
        let root = tempfile::tempdir().unwrap();
        let short = Path::new("/run/w.sock");
        assert_eq!(short_of(short, root.path()).unwrap(), short);
        let moved = short_of(&long(), root.path()).unwrap();
        let other = short_of(&long(), root.path()).unwrap();
        assert_ne!(moved, other);
        let folder = moved.parent().unwrap();
        let mode = std::fs::metadata(folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_is_a_link_or_open_to_others_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let uid = nix::unistd::geteuid().as_raw();
        let folder = root.path().join(format!("tenure-{uid}"));
        std::os::unix::fs::symlink("/", &folder).unwrap();
        let error = short_of(&long(), root.path()).unwrap_err();
        assert!(error.to_string().contains("is no folder"), "{error}");
        std::fs::remove_file(&folder).unwrap();
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let error = short_of(&long(), root.path()).unwrap_err();
        assert!(error.to_string().contains("is open to others"), "{error}");
    }
}
