//! A run's folder: `runs/<run_id>/` with its log, its context file and its warden's socket. Made
//! exclusively: a folder that is there already belongs to another run of this id, which only a
//! store that was put back to an older state can make.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tenure_guard::RunId;

/// The folder of one run.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder (0700) of a run under a store's folder.
    pub(crate) fn make(store_folder: &Path, run: RunId) -> Result<Self, String> {
        let runs = store_folder.join("runs");
        private_dir(&runs, true)
            .map_err(|error| format!("cannot make {}: {error}", runs.display()))?;
        let path = runs.join(run.to_string());
        private_dir(&path, false).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                format!(
                    "{} is there already: the store was put back to an older state; move that folder away",
                    path.display()
                )
            } else {
                format!("cannot make {}: {error}", path.display())
            }
        })?;
        Ok(Self { path })
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
        self.path.join("context.json")
    }

    /// Makes the log, empty.
    pub(crate) fn open_log(&self) -> Result<File, String> {
        let path = self.log();
        private_file(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))
    }

    /// Writes the context file.
    pub(crate) fn write_context(&self, json: &[u8]) -> Result<(), String> {
        let path = self.context();
        private_file(&path)
            .and_then(|mut file| file.write_all(json))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
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
    use super::*;

    #[test]
    fn a_run_never_gets_a_folder_that_was_there_before() {
        let state = std::env::temp_dir().join(format!("tenure-folder-{}", std::process::id()));
        let first = Folder::make(&state, RunId(7)).unwrap();
        assert!(first.path().is_dir());
        let error = Folder::make(&state, RunId(7)).unwrap_err();
        assert!(error.contains("is there already"), "{error}");
        std::fs::remove_dir_all(&state).unwrap();
    }
}
