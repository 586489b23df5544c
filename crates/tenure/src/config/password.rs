//! The password of the store's server, from a file that is nobody else's: it stands on no command line
//! and in no configuration that others read.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::failure::Failure;

/// A password is a line; what is longer is another file.
const LONGEST: u16 = 1024;

/// What others than its owner may do with it: nothing.
const OTHERS: u32 = 0o077;

/// The group of a file that root owns may read it, which is how a service is given one.
const OTHERS_OF_ROOT: u32 = 0o037;

/// What is wrong with the file, and the way out.
fn wrong(path: &Path, file: &std::fs::Metadata) -> Option<String> {
    if !file.is_file() {
        return Some(format!("{} is no file", path.display()));
    }
    let us = nix::unistd::geteuid().as_raw();
    unsafe_for(us, file.uid(), file.mode() & 0o777, path)
}

/// Whether somebody else has a say in it, for the user who reads it. Root settles a service, and reads
/// what the service's user reads.
fn unsafe_for(us: u32, owner: u32, mode: u32, path: &Path) -> Option<String> {
    let others = if owner == 0 { OTHERS_OF_ROOT } else { OTHERS };
    let path = path.display();
    if us != 0 && owner != us && owner != 0 {
        Some(format!("{path} belongs to somebody else: chown it"))
    } else if mode & others != 0 {
        Some(format!(
            "{path} has mode {mode:o}, so others may read it: chmod 600 {path}"
        ))
    } else {
        None
    }
}

/// Reads it. What is in the file is never shown.
///
/// # Errors
/// A usage error that names the file and the way out.
pub fn read(path: &Path) -> Result<String, Failure> {
    let refuse = |what: String| Failure::usage(format!("store.password_file: {what}"));
    let unreadable =
        |error: std::io::Error| refuse(format!("{} cannot be read: {error}", path.display()));
    // A pipe that nobody writes to must not hold us up.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
        .map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if let Some(problem) = wrong(path, &found) {
        return Err(refuse(problem));
    }
    let mut text = String::new();
    let read = file.take(u64::from(LONGEST) + 1).read_to_string(&mut text);
    read.map_err(unreadable)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    let is_a_line = (1..=usize::from(LONGEST)).contains(&password.len())
        && !password.contains(char::is_control);
    if !is_a_line {
        return Err(refuse(format!(
            "{} is to hold one line, the password, and holds something else",
            path.display()
        )));
    }
    Ok(password.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn of(text: &str, mode: u32) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        read(&path).map_err(|failure| failure.message())
    }

    #[test]
    fn a_password_is_the_line_of_a_file_that_nobody_else_reads() {
        assert_eq!(of("p w\n", 0o600), Ok("p w".to_owned()));
        assert_eq!(of("pw", 0o400), Ok("pw".to_owned()));
        for mode in [0o660, 0o604, 0o666] {
            let message = of("secret", mode).unwrap_err();
            assert!(message.contains("chmod 600"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
        for text in ["", "\n", "secret\nsecret", &"secret".repeat(999)] {
            let message = of(text, 0o600).unwrap_err();
            assert!(message.contains("one line"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
        let message = read(Path::new("/nowhere")).unwrap_err().message();
        assert!(message.contains("/nowhere"), "{message}");
    }

    #[test]
    fn whoever_reads_it_root_and_the_service_take_the_same_file() {
        const ROOT: u32 = 0;
        const SERVICE: u32 = 998;
        const OTHER: u32 = 1000;
        let path = Path::new("/p");
        for (owner, mode) in [
            (ROOT, 0o600),
            (ROOT, 0o640),
            (SERVICE, 0o600),
            (SERVICE, 0o400),
        ] {
            for us in [ROOT, SERVICE] {
                let problem = unsafe_for(us, owner, mode, path);
                assert_eq!(problem, None, "{us} reads {mode:o} of {owner}");
            }
        }
        for (us, owner, mode, word) in [
            (SERVICE, OTHER, 0o600, "somebody else"),
            (SERVICE, SERVICE, 0o640, "mode 640"),
            (ROOT, SERVICE, 0o640, "mode 640"),
            (ROOT, ROOT, 0o660, "mode 660"),
            (SERVICE, ROOT, 0o644, "mode 644"),
        ] {
            let problem = unsafe_for(us, owner, mode, path).unwrap_or_default();
            assert!(
                problem.contains(word),
                "{us}, {mode:o} of {owner}: {problem}"
            );
        }
    }
}
