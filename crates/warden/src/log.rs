//! The run's log, kept within its limit: the newest output stays, the oldest is given back to the
//! filesystem as a hole at the file's beginning.
//!
//! The worker writes straight into the file, appending, and nobody stands in the way of a write. What
//! was written is noticed by inotify, and then not looked at again for a while, so that a worker that
//! writes costs a look a second and a quiet one costs nothing. Nothing is moved or rewritten: a hole
//! cannot lose what is written at the same time, where truncating would. Everything follows from what
//! the file is at the moment, so a worker that truncates it, or writes somewhere else, confuses nobody.
//! Where a reader begins after a cut is the reader's to find (`SEEK_DATA`).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{FallocateFlags, FileType, Stat, fallocate, fstat};
use rustix::io::Errno;

use crate::clock::BootInstant;

/// How long a log that is written is not looked at again, at most. A trickle of output wakes us as
/// often, and a flood that begins in it is over the limit for as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The same at first, and in a flood: a disk takes some gigabytes a second, and they shall not all
/// lie there until we look.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The same where inotify has no room for us (a user has 128 instances by default): then the time is
/// all there is to go by, and a quiet log must not cost more than this.
const BLIND_PAUSE: Duration = Duration::from_secs(10);

/// Which part of the limit is cut at once, so that a flood does not cost a cut for each write.
const SLACK: u64 = 8;

/// What `st_blocks` counts in.
const SECTOR: u64 = 512;

/// A log that is kept within its limit.
#[derive(Debug)]
pub(crate) struct Log {
    file: OwnedFd,
    /// None where there is no room for one more: then the log is looked at by time alone.
    changes: Option<OwnedFd>,
    limit: u64,
    /// Its size when it was last looked at.
    size: u64,
    /// How long the next pause is.
    pause: Duration,
    /// While it rests, changes wait.
    rests_until: Option<BootInstant>,
}

impl Log {
    /// Watches the file behind a descriptor; none where it is no file: a person who starts a warden
    /// by hand reads its output as it comes.
    pub(crate) fn of(output: BorrowedFd<'_>, limit: u64) -> io::Result<Option<Self>> {
        let stat = fstat(output)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let file = output.try_clone_to_owned()?;
        let changes = watch(&file).ok();
        Ok(Some(Self {
            file,
            limit,
            size: 0,
            pause: SHORTEST_PAUSE,
            rests_until: changes.is_none().then(BootInstant::now),
            changes,
        }))
    }

    /// What to wait for: nothing while it rests.
    pub(crate) fn changes(&self) -> Option<BorrowedFd<'_>> {
        let rests = self.rests_until.is_some();
        self.changes.as_ref().filter(|_| !rests).map(AsFd::as_fd)
    }

    /// When it has rested.
    pub(crate) fn due(&self) -> Option<BootInstant> {
        self.rests_until
    }

    /// Does what the time says. An error says that this log cannot be kept within its limit.
    pub(crate) fn tick(&mut self, now: BootInstant) -> Result<(), Errno> {
        if self.rests_until.is_none_or(|until| now < until) {
            return Ok(());
        }
        self.rests_until = None;
        if self.changes.is_none() || self.has_changed() {
            return self.look_and_rest(now);
        }
        self.pause = SHORTEST_PAUSE;
        Ok(())
    }

    /// It was written. Fails as [`Log::tick`].
    pub(crate) fn changed(&mut self, now: BootInstant) -> Result<(), Errno> {
        if self.has_changed() {
            self.look_and_rest(now)
        } else {
            Ok(())
        }
    }

    fn look_and_rest(&mut self, now: BootInstant) -> Result<(), Errno> {
        let grown = self.look()?;
        self.rests_until = Some(now + self.pause);
        let longest = match &self.changes {
            Some(_) => LONGEST_PAUSE,
            None => BLIND_PAUSE,
        };
        self.pause = if grown > self.slack() {
            SHORTEST_PAUSE
        } else {
            (self.pause * 2).min(longest)
        };
        Ok(())
    }

    /// Cuts what is too much; by how much the log has grown since the last look.
    pub(crate) fn look(&mut self) -> Result<u64, Errno> {
        let stat = fstat(&self.file)?;
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let before = std::mem::replace(&mut self.size, size);
        // A cut is a change as well; without this it would be looked at for ever.
        if size != before && held(&stat) > self.limit.saturating_add(self.slack()) {
            self.cut(size, &stat)?;
        }
        Ok(size.saturating_sub(before))
    }

    fn cut(&self, size: u64, stat: &Stat) -> Result<(), Errno> {
        let block = u64::try_from(stat.st_blksize).unwrap_or(1).max(1);
        let surplus = size.saturating_sub(self.limit) / block * block;
        if surplus == 0 {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.file, hole, 0, surplus) {
            // These may pass.
            Ok(()) | Err(Errno::INTR | Errno::NOSPC | Errno::IO) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn slack(&self) -> u64 {
        self.limit / SLACK
    }

    /// Takes in everything that inotify has to say: all of it says the same.
    fn has_changed(&self) -> bool {
        let Some(changes) = &self.changes else {
            return false;
        };
        let mut buffer = [0; 4096];
        let mut any = false;
        while rustix::io::read(changes, &mut buffer).is_ok_and(|length| length > 0) {
            any = true;
        }
        any
    }
}

/// By the descriptor, not by a name that could mean another file by now.
fn watch(file: &OwnedFd) -> io::Result<OwnedFd> {
    let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    inotify::add_watch(&changes, path, WatchFlags::MODIFY)?;
    Ok(changes)
}

/// How many bytes a file takes on disk.
fn held(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks)
        .unwrap_or_default()
        .saturating_mul(SECTOR)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    const LIMIT: u64 = 1 << 20;

    fn log_in(folder: &std::path::Path) -> (File, Log) {
        let file = File::options()
            .append(true)
            .read(true)
            .create_new(true)
            .open(folder.join("log"))
            .unwrap();
        let log = Log::of(file.as_fd(), LIMIT).unwrap().unwrap();
        (file, log)
    }

    #[test]
    fn the_newest_bytes_stay_the_oldest_leave_the_disk_and_the_size_tells_of_both() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, mut log) = log_in(folder.path());
        let mut written = 0_u64;
        while written < 5 * LIMIT {
            let line = format!("line {written}\n").repeat(1000);
            file.write_all(line.as_bytes()).unwrap();
            written += u64::try_from(line.len()).unwrap();
            log.look().unwrap();
            let held = file.metadata().unwrap().blocks() * SECTOR;
            assert!(held <= LIMIT + 2 * log.slack(), "{held} bytes are on disk");
        }
        assert_eq!(file.metadata().unwrap().len(), written);
        let mut newest = vec![0; usize::try_from(LIMIT).unwrap()];
        file.read_exact_at(&mut newest, written - LIMIT).unwrap();
        assert!(
            !newest.contains(&0),
            "some of the newest output was cut away"
        );
        assert!(newest.ends_with(b"\n"));
    }

    #[test]
    fn a_log_that_its_worker_truncates_is_kept_within_the_limit_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, mut log) = log_in(folder.path());
        let block = vec![b'x'; usize::try_from(LIMIT).unwrap()];
        for round in 0..3 {
            for _ in 0..3 {
                file.write_all(&block).unwrap();
                log.look().unwrap();
            }
            let held = file.metadata().unwrap().blocks() * SECTOR;
            assert!(held <= LIMIT + 2 * log.slack(), "round {round}: {held}");
            file.set_len(0).unwrap();
        }
    }

    #[test]
    fn a_log_is_looked_at_at_once_then_less_and_less_and_not_at_all_when_it_is_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, mut log) = log_in(folder.path());
        let mut now = BootInstant::now();
        assert!(log.changes().is_some() && log.due().is_none());
        file.write_all(b"a line\n").unwrap();
        log.changed(now).unwrap();
        let mut pauses = Vec::new();
        while pauses.last() != Some(&LONGEST_PAUSE) {
            assert!(log.changes().is_none(), "it rests, and is waited for");
            let due = log.due().unwrap();
            pauses.push(due.since(now));
            now = due;
            file.write_all(b"a line\n").unwrap();
            log.tick(now).unwrap();
        }
        assert_eq!(pauses[0], SHORTEST_PAUSE);
        assert!(pauses.is_sorted(), "{pauses:?}");
        // A flood brings the short pause back, and quiet the waiting.
        file.write_all(&vec![b'x'; usize::try_from(LIMIT).unwrap()])
            .unwrap();
        now = log.due().unwrap();
        log.tick(now).unwrap();
        now = log.due().unwrap();
        file.write_all(b"a line\n").unwrap();
        log.tick(now).unwrap();
        assert_eq!(log.due().unwrap().since(now), SHORTEST_PAUSE);
        now = log.due().unwrap();
        log.tick(now).unwrap();
        assert!(log.changes().is_some() && log.due().is_none());
    }

    #[test]
    fn without_inotify_a_log_is_looked_at_by_time_and_kept_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (mut file, mut log) = log_in(folder.path());
        log.changes = None;
        let mut now = BootInstant::now();
        log.rests_until = Some(now);
        for _ in 0..20 {
            log.tick(now).unwrap();
            now = log.due().unwrap();
        }
        assert_eq!(log.pause, BLIND_PAUSE);
        file.write_all(&vec![b'x'; usize::try_from(3 * LIMIT).unwrap()])
            .unwrap();
        log.tick(now).unwrap();
        let held = file.metadata().unwrap().blocks() * SECTOR;
        assert!(held <= LIMIT + 2 * log.slack(), "{held}");
        assert!(log.changes().is_none());
    }

    #[test]
    fn what_is_no_file_is_not_kept() {
        let (reader, writer) = std::io::pipe().unwrap();
        assert!(Log::of(writer.as_fd(), LIMIT).unwrap().is_none());
        drop(reader);
    }
}
