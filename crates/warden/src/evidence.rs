//! Evidence, the last resort: what a warden knows and could hand to nobody, in a file of the run's
//! folder, for the dispatcher that finds the warden dead.
//!
//! The file is whole or not there, belongs to the warden's user, and holds no claim lock: its name is
//! the run. What it means to the run's end is for the dispatcher to say.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use serde::{Deserialize, Serialize};
use tenure_guard::wire::MAX_LINE;
use tenure_guard::{Report, ReportId, RunId};
use tenure_store::life::End;

/// The version of the file. A dispatcher of version N+1 reads N.
pub const VERSION: u32 = 1;

const NAME: &str = "evidence.json";

/// Written whole under this name first. A warden writes one at a time.
const DRAFT: &str = ".evidence.json.draft";

/// A report fits into a line of the wire; an end is smaller.
const MAX_BYTES: u64 = 2 * MAX_LINE as u64;

/// What a warden knows of its run's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The version of the file.
    pub v: u32,
    /// Whose run.
    pub run: RunId,
    /// The worker's report, where the store did not take it yet.
    pub report: Option<(ReportId, Report)>,
    /// What was seen of the end, where the tree is dead.
    pub end: Option<End>,
}

/// What every version of the file has.
#[derive(Deserialize)]
struct Head {
    v: u32,
    run: RunId,
}

impl Evidence {
    /// Writes it into the run's folder, in the place of what was there. It is durable then.
    ///
    /// # Errors
    /// Of the file system; what was there before is still there.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let draft = folder.join(DRAFT);
        // A warden that was killed while it wrote left this; the name is ours alone.
        gone_is_fine(std::fs::remove_file(&draft))?;
        let written = self.write_draft(&draft);
        if let Err(error) = written.and_then(|()| std::fs::rename(&draft, folder.join(NAME))) {
            gone_is_fine(std::fs::remove_file(&draft))?;
            return Err(error);
        }
        File::open(folder)?.sync_all()
    }

    fn write_draft(&self, draft: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(draft)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()
    }
}

/// Reads what the warden of `run` left in the run's folder; `None` where it left nothing.
///
/// # Errors
/// When it is not a plain file of our own user that only this user can write, is of another run
/// or of a version that is not known here. Names the file.
pub fn read(folder: &Path, run: RunId) -> io::Result<Option<Evidence>> {
    let path = folder.join(NAME);
    match open(&path).and_then(|file| parse(file, run)) {
        Ok(evidence) => Ok(Some(evidence)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

/// Removes it: what it says is known, or the run is closed.
///
/// # Errors
/// Of the file system. That it is gone already is none.
pub fn remove(folder: &Path) -> io::Result<()> {
    gone_is_fine(std::fs::remove_file(folder.join(NAME)))
}

fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opens a file that can only be what a warden of our own user wrote there. Neither a link nor a pipe
/// leads elsewhere or holds us up.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ELOOP) => invalid("a link is no evidence: look who made it"),
            Some(_) | None => error,
        })?;
    let metadata = file.metadata()?;
    let own = nix::unistd::geteuid().as_raw();
    if !metadata.is_file() || metadata.nlink() > 1 {
        return Err(invalid("not a plain file, or one with a second name"));
    }
    if metadata.uid() != own {
        let owner = metadata.uid();
        return Err(invalid(&format!(
            "it belongs to user {owner}, and a warden's belongs to user {own}"
        )));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(invalid("others than its owner can write it"));
    }
    Ok(file)
}

fn parse(file: File, run: RunId) -> io::Result<Evidence> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(invalid(&format!("it has more than {MAX_BYTES} bytes")));
    }
    let head: Head = serde_json::from_str(&text)?;
    if head.v != VERSION {
        return Err(invalid(&format!(
            "version {} is not known here, only {VERSION}: read it with the build that wrote it",
            head.v
        )));
    }
    if head.run != run {
        return Err(invalid(&format!(
            "it is of run {}, not of run {run}",
            head.run
        )));
    }
    Ok(serde_json::from_str(&text)?)
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
