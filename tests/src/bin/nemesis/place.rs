//! Where everything is: a filesystem in memory that only this mount namespace has, so that it is gone
//! with the program, however that ends.

use std::path::{Path, PathBuf};

use crate::shell::run;

/// The folder of the whole field.
#[derive(Clone, Debug)]
pub struct Place {
    root: PathBuf,
}

impl Place {
    /// Mounts it.
    pub fn make() -> Self {
        let root = PathBuf::from("/mnt");
        run(&["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt"]);
        Self { root }
    }

    /// A folder in it, made where it is not there yet.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.root.join(name);
        std::fs::create_dir_all(&folder).expect("a folder of the field can be made");
        folder
    }

    /// Where something of it is.
    pub fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Copies what was logged to where it outlives the program.
    pub fn keep_logs(&self, seed: u64) -> PathBuf {
        let kept = std::env::temp_dir().join(format!("nemesis-{seed}-{}", jiff::Timestamp::now()));
        std::fs::create_dir_all(&kept).expect("a temporary folder can be made");
        for entry in std::fs::read_dir(&self.root)
            .expect("the field is there")
            .flatten()
        {
            copy_log(&entry.path(), &kept);
        }
        kept
    }
}

fn copy_log(folder: &Path, kept: &Path) {
    let log = folder.join("log");
    if let Some(name) = folder.file_name()
        && log.is_file()
    {
        let _ = std::fs::copy(log, kept.join(name));
    }
}
