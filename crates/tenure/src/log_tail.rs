//! The last lines of a run's log, for whoever tells why it ended.

use std::path::Path;

use crate::run_log::RunLog;

/// How many lines of a log are shown.
const TAIL_LINES: usize = 10;

/// How many bytes of a log are looked at for them: ten very long lines are not for people.
const TAIL_BYTES: u64 = 16 * 1024;

/// The same for a log that grows while it is read.
const MOST_READ: usize = 64 * 1024;

/// How much of a line is shown.
const LINE_CHARS: usize = 1000;

/// The last lines of a log; none where it cannot be read, which whoever tells survives.
pub fn read(path: &Path) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut log = RunLog::open_end(path, TAIL_BYTES)?;
        let mut bytes = Vec::new();
        // What is written meanwhile is not waited for.
        while let Some(more) = log.more()? {
            bytes.extend(more);
            if bytes.len() >= MOST_READ {
                break;
            }
        }
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    let lines = lines[from..].iter();
    lines.map(|line| ends_with(line, LINE_CHARS)).collect()
}

/// The end of a line, where it is too long for people: what went wrong stands there, mostly.
fn ends_with(line: &str, characters: usize) -> String {
    match line.char_indices().nth_back(characters) {
        Some((at, first)) => format!("…{}", &line[at + first.len_utf8()..]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_its_last_lines_whatever_bytes_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut bytes: Vec<u8> = (0..50)
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect();
        bytes.extend(b"bad \xff\n");
        std::fs::write(&path, bytes).unwrap();
        let lines = read(&path);
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "line 41");
        assert_eq!(lines[9], "bad \u{fffd}");
        assert_eq!(read(&folder.path().join("none")), Vec::<String>::new());
        std::fs::write(&path, format!("{}end", "x".repeat(1 << 20))).unwrap();
        let lines = read(&path);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].chars().count(), LINE_CHARS + 1);
        assert!(lines[0].starts_with('…') && lines[0].ends_with("xend"));
    }
}
