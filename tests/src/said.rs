//! What a program said and how it ended, and the patience to run it: a hanging verb fails its test
//! instead of hanging the suite.

use std::fmt;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// A program that ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// The command line, for messages.
    pub command: String,
    /// The exit code; 128 and the signal's number where one killed it.
    pub code: i32,
    /// Data.
    pub out: String,
    /// Messages.
    pub err: String,
}

impl Said {
    /// Runs a program to its end.
    ///
    /// # Panics
    /// Where it cannot be started or does not end.
    #[track_caller]
    pub fn by(command: &mut Command) -> Self {
        Self::by_fed(command, "")
    }

    /// The same for a program that may take longer than any fact.
    ///
    /// # Panics
    /// As [`Said::by`].
    #[track_caller]
    pub fn by_patiently(command: &mut Command, patience: Duration) -> Self {
        let line = format!("{command:?}");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => Self::ended_within(child, line, patience),
            Err(error) => panic!("{line} cannot be started: {error}"),
        }
    }

    /// The same with something on its standard input.
    ///
    /// # Panics
    /// As [`Said::by`].
    #[track_caller]
    pub fn by_fed(command: &mut Command, input: &str) -> Self {
        let line = format!("{command:?}");
        command
            .stdin(if input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{line} cannot be started: {error}"),
        };
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not want its input is a fact for the test, not a failure here.
            let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        }
        Self::to_its_end(child, line)
    }

    /// Waits for a program that was started with piped output.
    ///
    /// # Panics
    /// Where it does not end.
    #[track_caller]
    pub fn to_its_end(child: Child, command: String) -> Self {
        Self::ended_within(child, command, wait::PATIENCE)
    }

    #[track_caller]
    fn ended_within(mut child: Child, command: String, patience: Duration) -> Self {
        let out = drain(child.stdout.take());
        let err = drain(child.stderr.take());
        let status = wait::within(patience, || child.try_wait().ok().flatten());
        let Some(status) = status else {
            // By its id, through the handle that owns it.
            let _ = child.kill();
            let _ = child.wait();
            panic!(
                "{command} did not end in {patience:?}\n--- stdout\n{}\n--- stderr\n{}",
                out.join().unwrap_or_default(),
                err.join().unwrap_or_default()
            );
        };
        Self {
            command,
            code: status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .unwrap_or(-1),
            out: out.join().unwrap_or_default(),
            err: err.join().unwrap_or_default(),
        }
    }

    /// Insists on an exit code.
    ///
    /// # Panics
    /// Shows everything that was said where the code is another.
    #[track_caller]
    #[must_use]
    pub fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self}");
        self
    }

    /// Insists on success.
    ///
    /// # Panics
    /// As [`Said::with_code`].
    #[track_caller]
    #[must_use]
    pub fn ok(self) -> Self {
        self.with_code(0)
    }

    /// Insists that the messages hold each of these.
    ///
    /// # Panics
    /// Shows everything that was said where one is missing.
    #[track_caller]
    #[must_use]
    pub fn mentions(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.err.contains(part),
                "{part:?} is missing in what was said by {self}"
            );
        }
        self
    }

    /// The data as JSON.
    ///
    /// # Panics
    /// Where it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.out) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}) from {self}"),
        }
    }

    /// The data as one JSON object a line.
    ///
    /// # Panics
    /// Where a line is none.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| match serde_json::from_str(line) {
                Ok(value) => value,
                Err(error) => panic!("no JSON ({error}) in {line:?} from {self}"),
            })
            .collect()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n--- exit {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.out, self.err
        )
    }
}

fn drain(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
