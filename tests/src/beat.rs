//! Signs of life: a worker writes down when it lived, on the boot clock, which every process of a
//! machine shares whatever its wall clock says.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::time::{ClockId, clock_gettime};

/// This moment on the boot clock, in nanoseconds.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).expect("the boot clock begins at zero");
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

/// A process that tells when it lives.
#[derive(Debug)]
pub struct Beating {
    file: File,
    first: Option<u64>,
}

impl Beating {
    /// Begins for a process of a run.
    ///
    /// # Panics
    /// Where the file cannot be made.
    pub fn begin(folder: &Path, run: &str, pid: i32) -> Self {
        let file = File::create(folder.join(format!("{run}.{pid}")));
        Self {
            file: file.expect("a file for signs of life can be made"),
            first: None,
        }
    }

    /// Says that it lives now.
    ///
    /// # Panics
    /// Where that cannot be written.
    pub fn beat(&mut self) {
        let now = now();
        let first = *self.first.get_or_insert(now);
        let mut both = [0; 16];
        both[..8].copy_from_slice(&first.to_ne_bytes());
        both[8..].copy_from_slice(&now.to_ne_bytes());
        self.file
            .write_all_at(&both, 0)
            .expect("a sign of life can be written");
    }
}

/// When a process of a run lived.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Its run.
    pub run: i64,
    /// Its first sign of life, on the boot clock.
    pub first: u64,
    /// Its last.
    pub last: u64,
}

/// Every life that was told of in a folder.
///
/// # Panics
/// Where the folder cannot be read.
pub fn lives(folder: &Path) -> Vec<Life> {
    let entries = std::fs::read_dir(folder).expect("the folder of lives can be read");
    entries
        .flatten()
        .filter_map(|entry| life(&entry.path()))
        .collect()
}

fn life(path: &Path) -> Option<Life> {
    let bytes = std::fs::read(path).ok()?;
    let number = |from: usize| {
        Some(u64::from_ne_bytes(
            bytes.get(from..from + 8)?.try_into().ok()?,
        ))
    };
    Some(Life {
        run: path.file_stem()?.to_str()?.parse().ok()?,
        first: number(0)?,
        last: number(8)?,
    })
}
