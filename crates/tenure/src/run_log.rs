//! A run's log as readers see it. Its oldest bytes may have been cut (`log_max_bytes`): then the file
//! begins with a hole, and what is left begins in the middle of a line, mostly. Reading goes on at the
//! next whole line, and whoever reads is told how much is missing. The warden cuts, also while
//! somebody reads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// How far the next line is looked for after a cut. What has none is shown from where it is: a line
/// may be longer than the whole log.
const LONGEST_REST: usize = 64 * 1024;

/// A log that is being read.
#[derive(Debug)]
pub struct RunLog {
    file: File,
    at: u64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// So many bytes that would come here were cut.
    Cut(u64),
    /// The file became shorter than what was read of it; reading begins anew.
    Truncated,
    /// What was written.
    Bytes(Vec<u8>),
    /// Nothing more so far.
    End,
}

impl RunLog {
    /// Opens it at its beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { file, at: 0 })
    }

    /// The same at so many bytes before its end, and there at a whole line.
    pub fn open_end(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut log = Self::open(path)?;
        let end = log.file.metadata()?.len();
        let at = end.saturating_sub(bytes);
        log.at = if at > 0 { log.whole_line(at)? } else { 0 };
        Ok(log)
    }

    /// What comes next.
    pub fn next(&mut self) -> io::Result<Next> {
        let length = self.file.metadata()?.len();
        if length < self.at {
            self.at = 0;
            return Ok(Next::Truncated);
        }
        let mut chunk = vec![0; CHUNK];
        let count = self.file.read_at(&mut chunk, self.at)?;
        if count == 0 {
            return Ok(Next::End);
        }
        // Asked after reading: what is no hole now was none when it was read, since a hole grows from
        // the beginning.
        match data_from(&self.file, self.at)? {
            Some(data) if data > self.at => {
                let from = self.whole_line(data)?;
                let cut = from - self.at;
                self.at = from;
                Ok(Next::Cut(cut))
            }
            Some(_) => {
                chunk.truncate(count);
                self.at += u64::try_from(count).unwrap_or_default();
                Ok(Next::Bytes(chunk))
            }
            // All of it was cut, or it became shorter just now.
            None => Ok(Next::End),
        }
    }

    /// The next bytes, whatever was cut before them.
    pub fn more(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.next()? {
                Next::Bytes(bytes) => return Ok(Some(bytes)),
                Next::End => return Ok(None),
                Next::Cut(_) | Next::Truncated => {}
            }
        }
    }

    /// Where the next line begins at or after a place in the middle of one.
    fn whole_line(&self, at: u64) -> io::Result<u64> {
        let mut rest = vec![0; LONGEST_REST];
        let count = self.file.read_at(&mut rest, at)?;
        let end = rest[..count].iter().position(|byte| *byte == b'\n');
        let within = |index: usize| at + u64::try_from(index).unwrap_or_default();
        Ok(match end {
            Some(index) => within(index + 1),
            // At least not in the middle of a character.
            None => within(
                rest[..count]
                    .iter()
                    .take(3)
                    .take_while(|byte| continues(**byte))
                    .count(),
            ),
        })
    }
}

/// Whether a byte is not the first of its character in UTF-8.
fn continues(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// Where data begins at or after a place; none where there is only a hole up to the end.
fn data_from(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(Errno::NXIO) => Ok(None),
        // A filesystem that knows no holes makes none.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some(at)),
        Err(errno) => Err(errno.into()),
    }
}

/// How many of a log's oldest bytes are not on disk any more; none where it cannot be read.
pub fn cut(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    Some(data_from(&file, 0).ok()?.unwrap_or(length))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustix::fs::{FallocateFlags, fallocate};

    use super::*;

    fn all(log: &mut RunLog) -> (Vec<u64>, String) {
        let (mut cuts, mut text) = (Vec::new(), Vec::new());
        loop {
            match log.next().unwrap() {
                Next::Cut(bytes) => cuts.push(bytes),
                Next::Bytes(bytes) => text.extend(bytes),
                Next::Truncated => text.clear(),
                Next::End => return (cuts, String::from_utf8(text).unwrap()),
            }
        }
    }

    fn punch(path: &Path, bytes: u64) {
        let file = File::options().write(true).open(path).unwrap();
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, hole, 0, bytes).unwrap();
    }

    /// 200 KiB of lines.
    fn written(folder: &Path) -> (std::path::PathBuf, String) {
        let path = folder.join("log");
        let lines: Vec<String> = (0..20_000).map(|n| format!("line {n:>4}\n")).collect();
        let text = lines.concat();
        std::fs::write(&path, &text).unwrap();
        (path, text)
    }

    #[test]
    fn a_log_that_was_cut_is_read_from_the_next_whole_line_and_the_cut_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (path, text) = written(folder.path());
        assert_eq!(
            all(&mut RunLog::open(&path).unwrap()),
            (vec![], text.clone())
        );
        assert_eq!(cut(&path), Some(0));
        punch(&path, 64 * 1024);
        let (cuts, left) = all(&mut RunLog::open(&path).unwrap());
        assert_eq!(cuts.len(), 1);
        assert!(
            cuts[0] >= 64 * 1024 && left.starts_with("line "),
            "{cuts:?}"
        );
        assert_eq!(&text[usize::try_from(cuts[0]).unwrap()..], left);
        assert_eq!(cut(&path), Some(64 * 1024));
    }

    #[test]
    fn a_reader_whose_place_is_cut_away_goes_on_after_the_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (path, text) = written(folder.path());
        let mut log = RunLog::open(&path).unwrap();
        let Next::Bytes(first) = log.next().unwrap() else {
            panic!("there is something to read");
        };
        punch(&path, 128 * 1024);
        let (cuts, left) = all(&mut log);
        let missing = usize::try_from(cuts[0]).unwrap();
        assert_eq!(cuts.len(), 1);
        assert_eq!(&text[first.len() + missing..], left);
    }

    #[test]
    fn a_line_longer_than_the_log_is_shown_from_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "ä".repeat(200_000)).unwrap();
        punch(&path, 128 * 1024);
        let (cuts, left) = all(&mut RunLog::open(&path).unwrap());
        assert_eq!(cuts, [128 * 1024]);
        assert!(left.chars().all(|character| character == 'ä'));
    }

    #[test]
    fn a_log_that_its_worker_truncates_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = written(folder.path());
        let mut log = RunLog::open(&path).unwrap();
        all(&mut log);
        let mut file = File::options()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        file.write_all(b"anew\n").unwrap();
        assert_eq!(log.next().unwrap(), Next::Truncated);
        assert_eq!(all(&mut log), (vec![], "anew\n".to_owned()));
    }

    #[test]
    fn the_end_of_a_log_begins_with_a_whole_line_and_never_with_its_hole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, text) = written(folder.path());
        punch(&path, 192 * 1024);
        let (_, end) = all(&mut RunLog::open_end(&path, 1000).unwrap());
        assert!(end.starts_with("line ") && text.ends_with(&end), "{end}");
        let (_, end) = all(&mut RunLog::open_end(&path, 100 * 1024).unwrap());
        assert!(
            end.starts_with("line ") && text.ends_with(&end),
            "{}",
            &end[..40]
        );
    }
}
