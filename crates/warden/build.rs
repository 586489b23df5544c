//! Names this build after its sources, so that a dispatcher uses the warden that lies beside it only
//! where both were made of the same code.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The crates whose code a warden is made of.
const CRATES: [&str; 3] = ["../guard", "../store", "."];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for krate in CRATES {
        for part in ["src", "sql", "migrations", "Cargo.toml"] {
            let path = Path::new(krate).join(part);
            // A missing path would make cargo run this again every time.
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
                collect(&path, &mut files)?;
            }
        }
    }
    files.sort();
    let mut hash = Fnv::new();
    for file in files {
        hash.eat(file.to_string_lossy().as_bytes());
        hash.eat(&fs::read(&file)?);
    }
    println!("cargo::rustc-env=TENURE_BUILD={:016x}", hash.0);
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

/// FNV-1a with 64 bits: the same in every version of the standard library, whose hasher is not.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// The length goes first, so that bytes cannot wander from one file to the next.
    fn eat(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
