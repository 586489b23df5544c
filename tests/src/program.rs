//! Where the programs under test are. Cargo builds this package's own before its tests, which is
//! why it has copies of `tenure` and `tenure-warden`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The command line under test; `tenure-e2e-warden` lies beside it.
pub fn tenure() -> PathBuf {
    beside_us("tenure-e2e")
}

/// The worker that can end in every way.
pub fn worker() -> PathBuf {
    beside_us("fixture-worker")
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

/// The folder into which cargo puts programs.
pub fn folder() -> PathBuf {
    let us = std::env::current_exe().expect("the running program has a path");
    let folder = us.parent().expect("a program lies in a folder");
    // A test program lies in `deps`, a [[bin]] one above.
    if folder.ends_with("deps") {
        folder.parent().expect("deps has a parent").to_path_buf()
    } else {
        folder.to_path_buf()
    }
}

/// Copies a file to where it is a program, by a process of its own: one that another test forked while
/// we wrote would hold the file open, and nobody could execute it (ETXTBSY).
///
/// # Panics
/// Where that fails.
pub fn copy(from: &Path, to: &Path) {
    let installed = Command::new("install")
        .args(["-m", "755"])
        .args([from, to])
        .status();
    let is_there = installed.is_ok_and(|status| status.success());
    assert!(is_there, "{} cannot be made", to.display());
}

fn beside_us(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.exists(),
        "{} is missing: `cargo test --workspace` builds it, or `cargo build -p tenure-tests --bins`",
        path.display()
    );
    path
}
