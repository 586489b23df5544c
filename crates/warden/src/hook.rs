//! A hook's program, run to its end: what `tenure-warden --hook` is. The dispatcher's order comes over
//! the standard input, and how it ended goes back the same way.
//!
//! A hook is not made by the dispatcher itself, because whatever it leaves running must be known as
//! its own and end with it: here as in a run, the tree is everything that descends from this process.
//! It ends when the program does, when its time is up, or when the dispatcher is gone, which the end of
//! the input says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use tenure_store::duration;
use tenure_store::life::Exit;

use crate::command::prepare_child;
use crate::lines::{Lines, Next};
use crate::tree::Tree;
use crate::wake::Signals;

/// The argument with which the program of a warden is the keeper of a hook.
pub const ARGUMENT: &str = "--hook";

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: BTreeMap<String, String>,
    /// What it reads.
    pub input: String,
    /// How long it may take.
    #[serde(with = "duration")]
    pub limit: Duration,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The kernel's word, or why there is none.
    pub ended: Ended,
    /// The last of what it wrote.
    pub output: String,
}

/// The kernel's word on a hook, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It exited, or a signal ended it.
    Exited(Exit),
    /// Its time was up.
    TimedOut,
    /// It could not be executed; the error number.
    NotStarted(i32),
}

/// The longest order: a line of the log has the size of a report at most, escaped at worst, and an
/// environment is bounded by the kernel.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// So much of what it wrote is kept: enough for an error message.
const KEPT: usize = 4096;

/// From the TERM to the KILL of a hook whose time is up.
const GRACE: Duration = Duration::from_secs(1);

/// How often what is killed is looked at until nothing is left.
const ROUND: Duration = Duration::from_millis(20);

/// How long what cannot be killed is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes an order, carries it out, and says how it ended.
pub(crate) fn run() -> io::Result<ExitCode> {
    let signals = Signals::take_over()?;
    // Fails only where we lead a process group already; then the tree is found by descent alone.
    let _ = nix::unistd::setsid();
    nix::sys::prctl::set_child_subreaper(true)?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    let mut lines = Lines::new(stream, MAX_LINE)?;
    let Some(order) = order(&mut lines)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let told = match Hook::start(&order) {
        Ok(hook) => hook.see_to_its_end(&mut lines, &signals),
        Err(error) => Told {
            ended: Ended::NotStarted(error.raw_os_error().unwrap_or_default()),
            output: String::new(),
        },
    };
    lines.send(&told);
    Ok(ExitCode::SUCCESS)
}

fn order(lines: &mut Lines) -> io::Result<Option<Order>> {
    loop {
        match lines.next() {
            Next::Line(line) => return Ok(Some(serde_json::from_str(&line)?)),
            Next::End => return Ok(None),
            Next::TooLong => return Err(io::Error::other("the order is too long")),
            Next::Nothing => {
                let mut fds = [PollFd::new(lines.stream().as_fd(), PollFlags::POLLIN)];
                // An interruption is another turn of the loop.
                let _ = poll(&mut fds, PollTimeout::NONE);
                lines.fill();
            }
        }
    }
}

/// A hook that runs.
struct Hook {
    pid: i32,
    tree: Tree,
    /// What it writes; `None` once that came to its end.
    output: Option<PipeReader>,
    kept: Vec<u8>,
    deadline: Instant,
}

impl Hook {
    fn start(order: &Order) -> io::Result<Self> {
        let Some((program, args)) = order.argv.split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (output, theirs) = io::pipe()?;
        rustix::io::ioctl_fionbio(&output, true)?;
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(&order.env)
            .current_dir("/")
            .stdin(Stdio::from(input(&order.input)?))
            .stdout(theirs.try_clone()?)
            .stderr(theirs);
        prepare_child(&mut command);
        let child = command.spawn()?;
        Ok(Self {
            pid: i32::try_from(child.id()).map_err(io::Error::other)?,
            tree: Tree::of_self(None),
            output: Some(output),
            kept: Vec::new(),
            deadline: Instant::now() + order.limit,
        })
    }

    /// Waits until it has ended or must, and leaves nothing of it behind.
    fn see_to_its_end(mut self, lines: &mut Lines, signals: &Signals) -> Told {
        let ended = loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.let_it_end();
                break Ended::TimedOut;
            }
            self.wait(lines, signals, left);
            if let Some(exit) = self.reap() {
                break Ended::Exited(exit);
            }
            if lines.has_ended() {
                // Nobody is left who could be told how it ends.
                self.let_it_end();
                break Ended::TimedOut;
            }
        };
        self.end_what_is_left();
        self.read();
        Told {
            ended,
            output: String::from_utf8_lossy(&self.kept).into_owned(),
        }
    }

    /// Until something happens, or the time is up.
    fn wait(&mut self, lines: &mut Lines, signals: &Signals, left: Duration) {
        let mut fds = vec![
            PollFd::new(lines.stream().as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        if let Some(output) = &self.output {
            fds.push(PollFd::new(output.as_fd(), PollFlags::POLLIN));
        }
        // An interruption is another turn of the loop; a millisecond more never turns it in vain.
        let left = PollTimeout::try_from(left + Duration::from_millis(1));
        let _ = poll(&mut fds, left.unwrap_or(PollTimeout::MAX));
        lines.fill();
        while signals.next().is_some() {}
        self.read();
    }

    /// How the program itself ended, where it has.
    fn reap(&self) -> Option<Exit> {
        let reaped = self.tree.reap();
        let own = reaped.ended.iter().find(|died| died.pid == self.pid);
        own.map(|died| died.exit)
    }

    /// Tells it to end, and gives it a moment.
    fn let_it_end(&self) {
        self.tree.terminate();
        let until = Instant::now() + GRACE;
        while !self.tree.reap().empty && Instant::now() < until {
            std::thread::sleep(ROUND);
        }
    }

    /// Kills whatever descends from it.
    fn end_what_is_left(&self) {
        let until = Instant::now() + PATIENCE;
        while !self.tree.reap().empty && Instant::now() < until {
            self.tree.kill();
            std::thread::sleep(ROUND);
        }
    }

    /// Takes in what it wrote, and keeps the last of it.
    fn read(&mut self) {
        let Some(output) = &mut self.output else {
            return;
        };
        let mut gulp = [0; KEPT];
        loop {
            match output.read(&mut gulp) {
                Ok(0) => {
                    self.output = None;
                    return;
                }
                Ok(count) => {
                    self.kept.extend_from_slice(&gulp[..count]);
                    let over = self.kept.len().saturating_sub(KEPT);
                    self.kept.drain(..over);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nothing more just now.
                Err(_) => return,
            }
        }
    }
}

/// A file in memory that nobody else sees, so that a hook may read its input whenever it likes, or not.
fn input(text: &str) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("event", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}
