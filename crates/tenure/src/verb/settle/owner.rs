//! Root settles a service as the user whose service it is: a file that root makes, the store's log
//! among them, would be one that the service cannot open again.

use std::os::unix::fs::MetadataExt as _;

use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};

use crate::failure::Failure;
use crate::folders;

/// Becomes the owner of the state folder for good, where this is root and somebody else owns it.
/// Only while this process has a single thread.
pub fn become_owner() -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let state = folders::state()?;
    // Where there is no folder there is nothing to settle either.
    let Ok(folder) = std::fs::metadata(&state) else {
        return Ok(());
    };
    let (user, group) = (Uid::from_raw(folder.uid()), Gid::from_raw(folder.gid()));
    if user.is_root() {
        return Ok(());
    }
    drop_to(user, group).map_err(|errno| {
        Failure::io(
            format!(
                "cannot become {user}, the owner of the state folder {}",
                state.display()
            ),
            errno.into(),
        )
    })
}

fn drop_to(user: Uid, group: Gid) -> nix::Result<()> {
    let name = User::from_uid(user)?.and_then(|user| std::ffi::CString::new(user.name).ok());
    match name {
        Some(name) => initgroups(&name, group)?,
        // A user that the manager made for this service alone.
        None => setgroups(&[group])?,
    }
    setgid(group)?;
    setuid(user)
}
