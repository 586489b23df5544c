//! Where things lie on this machine: the state, the configuration files.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tenure_store::InstanceId;

use crate::failure::Failure;

/// The folder of all state, which need not exist yet.
///
/// # Errors
/// Where neither the environment nor the user's entry in the password file names a place; nothing
/// is put into `/tmp` silently.
pub fn state() -> Result<PathBuf, Failure> {
    state_from(|name| std::env::var_os(name), passwd_home)
}

/// One store's part of the state: sockets and run folders.
pub fn of_store(state: &Path, instance: InstanceId) -> PathBuf {
    state.join("stores").join(instance.to_string())
}

/// Makes the state folder, for nobody else's eyes where it is new.
pub fn make_private(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| {
            Failure::io(
                format!("the state folder {} cannot be made", folder.display()),
                error,
            )
        })
}

/// The user's configuration file, where the user has a home.
pub fn user_config() -> Option<PathBuf> {
    let lookup = |name: &str| std::env::var_os(name);
    absolute(lookup("XDG_CONFIG_HOME"))
        .or_else(|| home(lookup, passwd_home).map(|home| home.join(".config")))
        .map(|folder| folder.join("tenure").join("tenure.toml"))
}

fn state_from(
    lookup: impl Fn(&str) -> Option<OsString>,
    passwd: impl FnOnce() -> Option<PathBuf>,
) -> Result<PathBuf, Failure> {
    // systemd separates several folders by colons; the first is ours.
    let by_systemd = lookup("STATE_DIRECTORY").and_then(|list| {
        let list = list.into_string().ok()?;
        list.split(':').next().map(OsString::from)
    });
    if let Some(folder) = absolute(by_systemd) {
        return Ok(folder);
    }
    if let Some(folder) = absolute(lookup("XDG_STATE_HOME")) {
        return Ok(folder.join("tenure"));
    }
    match home(lookup, passwd) {
        Some(home) => Ok(home.join(".local/state/tenure")),
        None => Err(Failure::usage(
            "there is no folder for the state: set STATE_DIRECTORY, XDG_STATE_HOME or HOME to an absolute path",
        )),
    }
}

fn home(
    lookup: impl Fn(&str) -> Option<OsString>,
    passwd: impl FnOnce() -> Option<PathBuf>,
) -> Option<PathBuf> {
    absolute(lookup("HOME")).or_else(passwd)
}

/// What is empty or relative counts as not set, as the XDG specification has it.
fn absolute(value: Option<OsString>) -> Option<PathBuf> {
    value.map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The home in the password file, where it is a folder: users of services often have none.
fn passwd_home() -> Option<PathBuf> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok()??;
    Some(user.dir).filter(|dir| dir.is_absolute() && dir.parent().is_some() && dir.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_of(variables: &[(&str, &str)], passwd: Option<&str>) -> Result<PathBuf, Failure> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        };
        state_from(lookup, || passwd.map(PathBuf::from))
    }

    #[test]
    fn the_state_lies_where_the_first_of_three_variables_says() {
        let all = [
            ("STATE_DIRECTORY", "/var/lib/tenure:/var/lib/other"),
            ("XDG_STATE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(state_of(&all, None).unwrap(), Path::new("/var/lib/tenure"));
        assert_eq!(state_of(&all[1..], None).unwrap(), Path::new("/x/tenure"));
        assert_eq!(
            state_of(&all[2..], None).unwrap(),
            Path::new("/h/.local/state/tenure")
        );
    }

    #[test]
    fn an_empty_home_falls_back_to_the_password_file_and_then_says_what_to_set() {
        let empty = [("HOME", ""), ("XDG_STATE_HOME", "relative")];
        assert_eq!(
            state_of(&empty, Some("/home/u")).unwrap(),
            Path::new("/home/u/.local/state/tenure")
        );
        let message = state_of(&empty, None).unwrap_err().message();
        assert!(message.contains("XDG_STATE_HOME"), "{message}");
    }
}
