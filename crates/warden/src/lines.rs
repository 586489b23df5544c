//! Lines over a socket that never waits: what came so far, and what is still to be sent.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// How much is read at once; one peer that sends without end must not keep the others waiting.
const GULP: usize = 64 * 1024;

/// A socket on which lines come and go.
#[derive(Debug)]
pub(crate) struct Lines {
    stream: UnixStream,
    arrived: Vec<u8>,
    departing: Vec<u8>,
    limit: usize,
    ended: bool,
}

/// A line, or why there will be none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Line(String),
    /// Nothing whole yet.
    Nothing,
    /// It has more bytes than are taken. What follows cannot be understood any more.
    TooLong,
    /// The other side will send no more.
    End,
}

impl Lines {
    pub(crate) fn new(stream: UnixStream, limit: usize) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            arrived: Vec::new(),
            departing: Vec::new(),
            limit,
            ended: false,
        })
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Reads what is there.
    pub(crate) fn fill(&mut self) {
        let mut gulp = vec![0; GULP];
        match self.stream.read(&mut gulp) {
            Ok(0) => self.ended = true,
            Ok(count) => self.arrived.extend_from_slice(&gulp[..count]),
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.ended = true,
        }
    }

    /// The next whole line. The last one needs no line feed.
    pub(crate) fn next(&mut self) -> Next {
        match self.arrived.iter().position(|byte| *byte == b'\n') {
            Some(at) if at <= self.limit => {
                let rest = self.arrived.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.arrived, rest);
                line.pop();
                Next::Line(text(line))
            }
            Some(_) => Next::TooLong,
            None if self.arrived.len() > self.limit => Next::TooLong,
            None if !self.ended => Next::Nothing,
            None if self.arrived.is_empty() => Next::End,
            None => Next::Line(text(std::mem::take(&mut self.arrived))),
        }
    }

    /// Whether the other side will send no more; whole lines may still wait to be taken.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Puts a line on its way, as far as the other side takes it.
    pub(crate) fn send(&mut self, line: &impl serde::Serialize) {
        // Our own shapes always make JSON: their keys are text.
        if let Ok(mut bytes) = serde_json::to_vec(line) {
            bytes.push(b'\n');
            self.departing.extend_from_slice(&bytes);
            self.flush();
        }
    }

    /// Sends on. What cannot be sent any more is dropped.
    pub(crate) fn flush(&mut self) {
        while !self.departing.is_empty() {
            match self.stream.write(&self.departing) {
                Ok(count) => {
                    self.departing.drain(..count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_for_later(&error) => return,
                Err(_) => {
                    self.departing.clear();
                    self.ended = true;
                }
            }
        }
    }

    /// Whether something waits to be sent.
    pub(crate) fn is_departing(&self) -> bool {
        !self.departing.is_empty()
    }
}

/// What is not UTF-8 is no JSON either, and is refused as such by whoever parses it.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(limit: usize) -> (UnixStream, Lines) {
        let (far, near) = UnixStream::pair().unwrap();
        (far, Lines::new(near, limit).unwrap())
    }

    #[test]
    fn lines_come_whole_and_the_last_one_needs_no_line_feed() {
        let (mut far, mut lines) = pair(100);
        far.write_all(b"one\ntw").unwrap();
        lines.fill();
        assert_eq!(lines.next(), Next::Line("one".into()));
        assert_eq!(lines.next(), Next::Nothing);
        far.write_all(b"o\nthree").unwrap();
        drop(far);
        lines.fill();
        lines.fill();
        assert_eq!(lines.next(), Next::Line("two".into()));
        assert_eq!(lines.next(), Next::Line("three".into()));
        assert_eq!(lines.next(), Next::End);
    }

    #[test]
    fn a_line_over_the_limit_is_not_collected_for_ever() {
        let (mut far, mut lines) = pair(4);
        far.write_all(b"12345").unwrap();
        lines.fill();
        assert_eq!(lines.next(), Next::TooLong);
    }

    #[test]
    fn a_peer_that_does_not_read_does_not_hold_us_up() {
        let (mut far, mut lines) = pair(4);
        let long = "x".repeat(4 * 1024 * 1024);
        lines.send(&long);
        assert!(lines.is_departing());
        let reader = std::thread::spawn(move || {
            let mut seen = vec![0; 4 * 1024 * 1024 + 3];
            far.read_exact(&mut seen).unwrap();
            seen
        });
        while lines.is_departing() {
            lines.flush();
        }
        assert!(reader.join().unwrap().ends_with(b"x\"\n"));
    }
}
