//! The password of the store's server, from a file that is nobody else's: it stands on no command line
//! and in no configuration that others read.

use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::failure::Failure;

/// A password is a line; what is longer is another file.
const LONGEST: u16 = 1024;

/// What others than the owner may do with it: nothing, but the group of a file that root owns may read
/// it, which is how a service is given one.
const OTHERS: u32 = 0o077;
const OTHERS_OF_ROOT: u32 = 0o037;

/// What is wrong with the file, and the way out.
fn wrong(path: &Path, file: &std::fs::Metadata) -> Option<String> {
    let us = nix::unistd::geteuid().as_raw();
    let others = if file.uid() == 0 && us != 0 {
        OTHERS_OF_ROOT
    } else {
        OTHERS
    };
    let path = path.display();
    if !file.is_file() {
        Some(format!("{path} is no file"))
    } else if file.uid() != us && file.uid() != 0 {
        Some(format!("{path} belongs to somebody else: chown it"))
    } else if file.mode() & others != 0 {
        let mode = file.mode() & 0o777;
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
        for mode in [0o640, 0o604, 0o666] {
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
}
