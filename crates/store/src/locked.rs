//! Who keeps others from writing to a file, for whoever was kept from it.
//!
//! SQLite says no more than that its database is locked. The kernel knows by whom: in WAL mode the
//! right to write is a lock on one byte of the log's index, and that is so by the file format.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::connection::Connection;
use crate::error::Error;

/// The byte of the log's index whose lock is the right to write.
const WRITE_LOCK: u64 = 120;

/// `SQLITE_BUSY`, also where SQLite says more about it in the higher bits.
const BUSY: i32 = 5;

/// Who has the right to write.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    pid: i32,
    name: String,
    stopped: bool,
}

/// Why a transaction could not be begun, with the name of whoever is in the way where there is one.
pub(crate) async fn explained(connection: &mut Connection, error: sqlx::Error) -> Error {
    let Connection::Sqlite(sqlite) = connection else {
        return error.into();
    };
    if !is_busy(&error) {
        return error.into();
    }
    let path = sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
        .fetch_one(&mut **sqlite)
        .await;
    let holder = path.ok().and_then(|path: String| holder(Path::new(&path)));
    Error::Unavailable(words(holder))
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| code & 0xff == BUSY)
}

fn words(holder: Option<Holder>) -> String {
    match holder {
        Some(Holder {
            pid,
            name,
            stopped: true,
        }) => format!(
            "process {pid} ({name}) has it locked and is stopped: let that one go on by `kill -CONT {pid}`, or end it"
        ),
        Some(Holder { pid, name, .. }) => format!(
            "process {pid} ({name}) has it locked and goes on writing: try again, and if that is in vain look what it does"
        ),
        None => "another process has it locked and goes on writing: try again".into(),
    }
}

/// Looks at paths only: closing any descriptor of the file would drop SQLite's locks on it.
fn holder(database: &Path) -> Option<Holder> {
    let mut index = database.as_os_str().to_owned();
    index.push("-shm");
    let index = fs::metadata(Path::new(&index)).ok()?;
    let device = index.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{}", index.ino());
    let pid = writer(&fs::read_to_string("/proc/locks").ok()?, &file)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    seen(pid, &stat)
}

/// Who has the right to write, from the kernel's list of locks.
fn writer(locks: &str, file: &str) -> Option<i32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A line with an arrow is somebody who waits.
        let &[_, "POSIX", _, "WRITE", pid, of, first, last] = fields.as_slice() else {
            return None;
        };
        let covers = first.parse::<u64>().is_ok_and(|first| first <= WRITE_LOCK)
            && (last == "EOF" || last.parse::<u64>().is_ok_and(|last| last >= WRITE_LOCK));
        // A process that cannot be seen from here has no number.
        let pid = pid.parse().ok().filter(|pid| *pid > 0);
        pid.filter(|_| of == file && covers)
    })
}

/// What `/proc/PID/stat` tells of a process.
fn seen(pid: i32, stat: &str) -> Option<Holder> {
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    Some(Holder {
        pid,
        name: name.to_owned(),
        stopped: matches!(rest.trim_start().chars().next(), Some('T' | 't')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  READ  41 fe:00:99 120 120
2: POSIX  ADVISORY  WRITE 42 fe:00:98 120 120
3: POSIX  ADVISORY  WRITE 43 fe:00:99 123 123
4: FLOCK  ADVISORY  WRITE 44 fe:00:99 0 EOF
5: POSIX  ADVISORY  WRITE 45 fe:00:99 120 121
5: -> POSIX  ADVISORY  WRITE 46 fe:00:99 120 120
6: OFDLCK ADVISORY  WRITE -1 fe:00:97 120 120
7: POSIX  ADVISORY  WRITE 0 fe:00:96 0 EOF
";

    #[test]
    fn the_writer_is_who_has_the_lock_on_that_byte_of_that_file() {
        assert_eq!(writer(LOCKS, "fe:00:99"), Some(45));
        assert_eq!(writer(LOCKS, "fe:00:98"), Some(42));
        for nobody in ["fe:00:97", "fe:00:96", "fe:00:9"] {
            assert_eq!(writer(LOCKS, nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_stopped_writer_is_told_of_with_the_way_to_let_it_go_on() {
        let holder = seen(45, "45 (a (b) c) T 1 45").expect("it can be read");
        assert_eq!((holder.pid, holder.name.as_str()), (45, "a (b) c"));
        let words = words(Some(holder));
        assert!(words.contains("`kill -CONT 45`"), "{words}");
        assert!(!seen(45, "45 (x) S 1 45").expect("it can be read").stopped);
    }
}
