//! The store's address as a credential: a file that the service manager lays out for the service
//! alone, so that a password stands in no environment and in no file that others read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tenure_store::StoreUrl;

use super::layer::Layer;
use crate::failure::Failure;

/// Where the manager says that a service's credentials lie.
const FOLDER: &str = "CREDENTIALS_DIRECTORY";

/// The credential's name in that folder.
const NAME: &str = "store-url";

/// How errors and `config show` call this layer.
const ORIGIN: &str = "credential store-url";

/// An address is a line; what is longer is another file.
const LONGEST: usize = 4096;

/// The layer, where this process was given that credential. An empty one says nothing.
pub fn layer() -> Result<Option<Layer>, Failure> {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return Ok(None);
    };
    let folder = Path::new(&folder);
    match of_folder(folder)? {
        // systemd 252 hides them from what it runs after a stop, and leaves them where it sees them
        // itself. Only root can look there.
        None if nix::unistd::geteuid().is_root() => of_folder(&as_the_manager_sees(folder)),
        found => Ok(found),
    }
}

fn as_the_manager_sees(folder: &Path) -> PathBuf {
    Path::new("/proc/1/root").join(folder.strip_prefix("/").unwrap_or(folder))
}

fn of_folder(folder: &Path) -> Result<Option<Layer>, Failure> {
    let path = folder.join(NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(wrong(&format!(
                "{} cannot be read: {error}",
                path.display()
            )));
        }
    };
    let address = text.trim();
    if address.is_empty() {
        return Ok(None);
    }
    // What is wrong is never shown: it may be a password in the wrong place.
    if address.len() > LONGEST || address.contains(char::is_control) {
        return Err(wrong(
            "it is to hold one line, the address of the store, and holds something else",
        ));
    }
    match address.parse() {
        Ok(StoreUrl::Sqlite(path)) if !path.is_absolute() => Err(wrong(
            "a service has no folder of its own: name the store by postgres:// or an absolute path",
        )),
        // Checked as an address by whoever lays it over the other layers.
        Ok(StoreUrl::Sqlite(_) | StoreUrl::Postgres(_)) | Err(_) => {
            Layer::address(ORIGIN, address, Path::new("/")).map(Some)
        }
    }
}

fn wrong(what: &str) -> Failure {
    Failure::usage(format!("{ORIGIN}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Merged;

    fn of(text: &str) -> Result<Option<Layer>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), text).unwrap();
        of_folder(folder.path()).map_err(|failure| failure.message())
    }

    #[test]
    fn a_credential_names_the_store_over_the_files_and_beneath_the_variables() {
        let file = tempfile::tempdir().unwrap();
        let path = file.path().join("tenure.toml");
        std::fs::write(&path, "[store]\nurl = '/file.db'").unwrap();
        let credential = of("postgres://u:secret@h/d\n").unwrap().unwrap();
        let mut layers = vec![
            Layer::builtin().unwrap(),
            Layer::file(&path).unwrap(),
            credential,
        ];
        let merged = Merged::of(layers.clone()).unwrap();
        let store = merged.resolve().unwrap().store.unwrap();
        assert_eq!(store, StoreUrl::Postgres("postgres://u:secret@h/d".into()));
        let shown = merged.to_toml(&store);
        assert!(shown.contains("postgres://u@h/d"), "{shown}");
        assert!(shown.contains(ORIGIN), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        layers.push(Layer::address("TENURE_DB", "/variable.db", Path::new("/")).unwrap());
        let store = Merged::of(layers).unwrap().resolve().unwrap().store;
        assert_eq!(store, Some(StoreUrl::Sqlite("/variable.db".into())));
    }

    #[test]
    fn no_credential_and_an_empty_one_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of_folder(folder.path()).unwrap().is_none());
        assert!(of(" \n").unwrap().is_none());
    }

    #[test]
    fn a_wrong_credential_is_named_and_its_password_is_not() {
        for text in [
            "mysql://u:secret@h/d",
            "secret.db",
            "postgres://h/d\npassword=secret",
        ] {
            let message = of(text).map(|_| ()).unwrap_err();
            assert!(message.starts_with(ORIGIN), "{text:?}: {message}");
            assert!(!message.contains("secret"), "{text:?}: {message}");
        }
    }
}
