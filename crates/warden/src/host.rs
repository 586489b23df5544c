//! Which host this is, and which boot of it. A host is known by a stored id, never by its name.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// This host's id: a random one, made once and kept in the state folder, which must exist.
///
/// # Errors
/// When it can be neither read nor written, or is no id; names the file.
pub fn host_id(state_folder: &Path) -> io::Result<String> {
    let path = state_folder.join("host-id");
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        known => return known.map_err(named),
    }
    create(state_folder, &path).map_err(named)?;
    // Whoever was first wins, and everybody reads what the first one wrote.
    read(&path).map_err(named)
}

/// This host's id where it has one already; makes none.
///
/// # Errors
/// When there is none, or it cannot be read, or is no id; names the file.
pub fn known_host_id(state_folder: &Path) -> io::Result<String> {
    let path = state_folder.join("host-id");
    read(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn read(path: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    match uuid::Uuid::try_parse(text.trim()) {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "this is no host id: remove the file to have a new one made",
        )),
    }
}

/// Writes the whole file under another name first, so that nobody ever reads half of it, and
/// links it into place, which fails where somebody else was faster.
fn create(folder: &Path, path: &Path) -> io::Result<()> {
    let id = uuid::Uuid::new_v4();
    let draft = folder.join(format!(".host-id-{}", id.simple()));
    let written = write(&draft, &id.to_string()).and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => File::open(folder)?.sync_all(),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// The kernel's id of this boot.
///
/// # Errors
/// Where `/proc` is not there.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_host_keeps_its_id_and_eight_askers_at_once_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let askers: Vec<_> = (0..8)
            .map(|_| {
                let folder = folder.path().to_owned();
                std::thread::spawn(move || host_id(&folder).unwrap())
            })
            .collect();
        let first = host_id(folder.path()).unwrap();
        for asker in askers {
            assert_eq!(asker.join().unwrap(), first);
        }
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let mode = std::fs::metadata(folder.path().join("host-id"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_holds_no_id_is_named_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("host-id"), "x").unwrap();
        let error = host_id(folder.path()).unwrap_err().to_string();
        assert!(error.contains("host-id: this is no host id"), "{error}");
    }
}
