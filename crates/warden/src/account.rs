//! A user of this host, with everything that becoming it takes. Looked up where there is time for
//! it: neither the names nor the groups can be asked for between fork and exec.

use std::ffi::CString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, User, getgrouplist};

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its first group.
    pub gid: u32,
    /// All of its groups, the first among them.
    pub groups: Vec<u32>,
    /// Its home.
    pub home: PathBuf,
    /// Its shell.
    pub shell: PathBuf,
}

impl Account {
    /// The user of this name; none where there is no such user.
    ///
    /// # Errors
    /// When the host cannot say who its users are: nothing is known then.
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        let Some(user) = User::from_name(name)? else {
            return Ok(None);
        };
        let c_name = CString::new(name)?;
        let groups = getgrouplist(&c_name, user.gid)?;
        Ok(Some(Self {
            name: user.name,
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
            groups: groups.into_iter().map(Gid::as_raw).collect(),
            home: user.dir,
            shell: user.shell,
        }))
    }

    /// Whether this process is that user already, and nothing has to be given away to it.
    pub fn is_ours(&self) -> bool {
        Uid::effective().as_raw() == self.uid
    }
}

/// What lets others through a folder without letting them see what is in it.
const PASSAGE: u32 = 0o011;

/// Lets others through a folder, where it is ours: what they may have lies in or beneath it.
///
/// # Errors
/// Where it is not there, or its mode cannot be changed.
pub fn let_pass(folder: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(folder)?;
    let mode = metadata.permissions().mode();
    if metadata.uid() != Uid::effective().as_raw() || mode & PASSAGE == PASSAGE {
        return Ok(());
    }
    std::fs::set_permissions(folder, Permissions::from_mode(mode | PASSAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_with_its_groups_and_a_stranger_is_not() {
        let root = Account::find("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0), "{root:?}");
        assert_eq!(root.is_ours(), Uid::effective().is_root());
        assert_eq!(Account::find("no-such-user-here").unwrap(), None);
        assert_eq!(Account::find("nul\0").unwrap(), None);
    }
}
