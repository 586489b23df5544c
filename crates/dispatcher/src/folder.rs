//! A run's folder: `runs/<run_id>/`. Made exclusively: a folder that is there already belongs to
//! another run of this id, which only a store that was put back to an older state can make.
//!
//! It has two halves. What lies in the folder itself (log, socket, evidence) is the dispatcher's and
//! the warden's; `worker/` (context file, scratch folder, worktree) is the worker's, and belongs to
//! its user where its profile names one. What the warden makes in there, and takes away again, is
//! [`tenure_warden::workspace`]'s.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tenure_guard::RunId;
use tenure_warden::account::{Account, let_pass};
use tenure_warden::workspace;

/// The folder of one run.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder (0700) of a run under a store's folder.
    pub(crate) fn make(store_folder: &Path, run: RunId) -> Result<Self, String> {
        let runs = store_folder.join("runs");
        private_dir(&runs, true).map_err(cannot("make", &runs))?;
        let path = runs.join(run.to_string());
        private_dir(&path, false).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                format!(
                    "{} is there already: the store was put back to an older state; move that folder away",
                    path.display()
                )
            } else {
                cannot("make", &path)(error)
            }
        })?;
        let folder = Self { path };
        let half = folder.half();
        private_dir(&half, false).map_err(cannot("make", &half))?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the worker's output goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Where the worker reads its context.
    pub(crate) fn context(&self) -> PathBuf {
        self.half().join("context.json")
    }

    /// The worker's half.
    fn half(&self) -> PathBuf {
        workspace::half(&self.path)
    }

    /// Makes the log, empty.
    pub(crate) fn open_log(&self) -> Result<File, String> {
        let path = self.log();
        private_file(&path).map_err(cannot("make", &path))
    }

    /// Writes the context file.
    pub(crate) fn write_context(&self, json: &[u8]) -> Result<(), String> {
        let path = self.context();
        private_file(&path)
            .and_then(|mut file| file.write_all(json))
            .map_err(cannot("write", &path))
    }

    /// Gives the worker's half, with the context file that is in it, to a user, and lets that user
    /// pass through what is above it as far as it is ours.
    pub(crate) fn give_to(&self, user: &Account) -> Result<(), String> {
        let half = self.half();
        // The folder last: from then on the user may put other things in the place of what is in it.
        for path in [self.context(), half.clone()] {
            File::open(&path)
                .and_then(|file| fchown(file, Some(user.uid), Some(user.gid)))
                .map_err(|error| {
                    format!(
                        "cannot give {} to user {:?}: {error}",
                        path.display(),
                        user.name
                    )
                })?;
        }
        // This run's folder, `runs`, the store's folder, and the one of all stores.
        for folder in self.path.ancestors().take(4) {
            let_pass(folder).map_err(cannot("open a way through", folder))?;
        }
        match self.path.ancestors().find(|folder| !passes(user, folder)) {
            None => Ok(()),
            Some(closed) => Err(format!(
                "user {:?} cannot pass through {}, and so cannot come to {}: `chmod o+x` it, or keep the state where that user may pass (STATE_DIRECTORY)",
                user.name,
                closed.display(),
                half.display()
            )),
        }
    }
}

fn cannot<'a>(what: &'a str, path: &'a Path) -> impl Fn(io::Error) -> String + 'a {
    move |error| format!("cannot {what} {}: {error}", path.display())
}

/// Whether the mode bits let a user through; an access list may say otherwise, and then the worker's
/// start says it.
fn passes(user: &Account, folder: &Path) -> bool {
    if user.uid == 0 {
        return true;
    }
    let Ok(metadata) = std::fs::metadata(folder) else {
        return false;
    };
    let shift = if metadata.uid() == user.uid {
        6
    } else if user.groups.contains(&metadata.gid()) {
        3
    } else {
        0
    };
    metadata.permissions().mode() >> shift & 1 == 1
}

fn private_dir(path: &Path, may_exist: bool) -> io::Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .recursive(may_exist)
        .create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    /// A state folder of a test's own; it goes away with it.
    struct State(PathBuf);

    impl State {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("tenure-folder-{name}-{}", std::process::id()));
            DirBuilder::new().mode(0o711).create(&path).unwrap();
            Self(path)
        }

        fn store(&self) -> PathBuf {
            self.0.join("stores/0")
        }
    }

    impl Drop for State {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_run_never_gets_a_folder_that_was_there_before() {
        let state = State::new("twice");
        let first = Folder::make(&state.store(), RunId(7)).unwrap();
        assert!(first.path().is_dir());
        let error = Folder::make(&state.store(), RunId(7)).unwrap_err();
        assert!(error.contains("is there already"), "{error}");
    }

    #[test]
    fn a_user_gets_the_workers_half_and_a_way_to_it_and_nothing_else() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a folder away");
            return;
        }
        let state = State::new("user");
        let folder = Folder::make(&state.store(), RunId(7)).unwrap();
        folder.open_log().unwrap();
        folder.write_context(b"{}").unwrap();
        let nobody = Account::find("nobody").unwrap().unwrap();
        folder.give_to(&nobody).unwrap();
        let owner = nobody.uid;
        for (path, owner, bits) in [
            (folder.half(), owner, 0o700),
            (folder.context(), owner, 0o600),
            (folder.path().to_owned(), 0, 0o711),
            (folder.log(), 0, 0o600),
            (state.store().join("runs"), 0, 0o711),
            (state.0.join("stores"), 0, 0o711),
        ] {
            let metadata = std::fs::metadata(&path).unwrap();
            assert_eq!(
                (metadata.uid(), mode(&path)),
                (owner, bits),
                "{}",
                path.display()
            );
        }
        std::fs::set_permissions(&state.0, Permissions::from_mode(0o700)).unwrap();
        let error = folder.give_to(&nobody).unwrap_err();
        assert!(
            error.contains(&format!("pass through {},", state.0.display())),
            "{error}"
        );
        assert_eq!(mode(&state.0), 0o700);
    }
}
