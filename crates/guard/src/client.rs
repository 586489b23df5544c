//! Asking the warden. Each call is one connection, one line out and one line back.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::identity::{Identity, NoIdentity};
use crate::ids::{AddId, TaskId};
use crate::reason::{Reason, Verdict};
use crate::report::{InvalidReport, Report, ReportId};
use crate::wire::{self, Added, Answer, Op, Request, Response};

/// How long a call waits for its warden. The warden itself waits for the store no longer than 3 s,
/// first through its dispatcher and then by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a call did not succeed: a variant per thing the worker can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no identity: run by hand, or stand down.
    #[error(transparent)]
    NoIdentity(#[from] NoIdentity),
    /// The task belongs to somebody else now: stop, and exit 79.
    #[error("not the owner of the task: {reason}")]
    NotOwner {
        /// Why.
        reason: Reason,
    },
    /// Not possible as asked; nothing was written.
    #[error("refused: {message}")]
    Refused {
        /// Why, and the way out.
        message: String,
    },
    /// The store is away, and nobody knows whether it was done: the same may succeed later, an add
    /// under the same id.
    #[error("not answered yet: {message}")]
    Later {
        /// Why.
        message: String,
    },
    /// The report is too large or not a worker's to make; nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidReport),
    /// The warden cannot be reached: without it nothing is certain, so act as if not the owner.
    #[error("the warden's socket does not answer")]
    Unreachable(#[from] io::Error),
    /// The warden said something that this version does not understand.
    #[error("the warden's answer is not understood: {0}")]
    Protocol(String),
}

/// How a report was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is durable in the store.
    Recorded,
    /// The store is away; the warden keeps the report and writes it when it can.
    Kept,
}

/// A worker's line to its warden. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Guard {
    identity: Identity,
}

impl Guard {
    /// The guard of this process.
    ///
    /// # Errors
    /// [`Error::NoIdentity`] where the environment does not make this process a worker.
    pub fn from_env() -> Result<Self, Error> {
        Ok(Self::new(Identity::from_env()?))
    }

    /// The guard for a given identity.
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }

    /// Who this worker is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Asks whether the task is still this worker's. Read-only; cheap enough for before every step.
    ///
    /// # Errors
    /// [`Error::Unreachable`] or [`Error::Protocol`]; "stand down" is an answer, not an error.
    pub fn check(&self) -> Result<Verdict, Error> {
        match self.ask(Op::Check)? {
            Answer::Owned => Ok(Verdict::Owned),
            Answer::StandDown { reason } => Ok(Verdict::StandDown { reason }),
            other @ (Answer::Ok
            | Answer::Kept
            | Answer::NotOwner { .. }
            | Answer::Refused { .. }
            | Answer::Data { .. }
            | Answer::Later { .. }) => Err(unexpected(&other)),
        }
    }

    /// Says "I am alive". Where `heartbeat_timeout` is set, silence for that long ends the run.
    ///
    /// # Errors
    /// [`Error::NotOwner`] when the task is somebody else's; the usual ones otherwise.
    pub fn heartbeat(&self, note: Option<&str>) -> Result<(), Error> {
        self.write(Op::Heartbeat {
            note: note.map(str::to_owned),
        })
        .map(|_| ())
    }

    /// Leaves a remark for people and for later attempts.
    ///
    /// # Errors
    /// As [`Guard::heartbeat`].
    pub fn comment(&self, text: &str) -> Result<(), Error> {
        self.write(Op::Comment {
            text: text.to_owned(),
        })
        .map(|_| ())
    }

    /// Says how the run ended. The first report stands: a second one is [`Error::Refused`].
    ///
    /// # Errors
    /// As [`Guard::heartbeat`], and [`Error::Invalid`].
    pub fn report(&self, report: &Report) -> Result<Acceptance, Error> {
        self.report_as(&ReportId::random(), report)
    }

    /// The same under an id of the caller's, so that it may be sent again after a lost answer.
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn report_as(&self, id: &ReportId, report: &Report) -> Result<Acceptance, Error> {
        report.validate()?;
        self.write(Op::Report {
            id: id.clone(),
            report: report.clone(),
        })
    }

    /// [`Guard::report`] with [`Report::Complete`].
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn complete(
        &self,
        summary: Option<String>,
        metadata: Option<serde_json::Value>,
    ) -> Result<Acceptance, Error> {
        self.complete_with(summary, metadata, Vec::new())
    }

    /// The same, and names the files that came of it, by absolute paths: people are shown them, and
    /// the task's children are told.
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn complete_with(
        &self,
        summary: Option<String>,
        metadata: Option<serde_json::Value>,
        artifacts: Vec<String>,
    ) -> Result<Acceptance, Error> {
        self.report(&Report::Complete {
            summary,
            metadata,
            artifacts,
        })
    }

    /// [`Guard::report`] with [`Report::Block`].
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn block(&self, kind: crate::BlockKind, reason: &str) -> Result<Acceptance, Error> {
        self.report(&Report::Block {
            kind,
            reason: reason.to_owned(),
        })
    }

    /// [`Guard::report`] with [`Report::Wait`]: the work goes on, as a new run, once that task is done.
    /// [`Error::Refused`] where there is no such task, or where it waits for this one itself.
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn wait_for(&self, after: TaskId, reason: Option<String>) -> Result<Acceptance, Error> {
        self.report(&Report::Wait { after, reason })
    }

    /// [`Guard::report`] with [`Report::Defer`]; a wait over [`Report::MAX_DEFER_MS`] is refused.
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn defer(
        &self,
        wait: Option<Duration>,
        reason: Option<String>,
    ) -> Result<Acceptance, Error> {
        let for_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        self.report(&Report::Defer { for_ms, reason })
    }

    /// [`Guard::report`] with [`Report::Fail`].
    ///
    /// # Errors
    /// As [`Guard::report`].
    pub fn fail(&self, reason: &str) -> Result<Acceptance, Error> {
        self.report(&Report::Fail {
            reason: reason.to_owned(),
        })
    }

    /// Adds a task to this worker's own store; this task is on record as its creator. The fields are
    /// those that [`wire`] tells.
    ///
    /// # Errors
    /// As [`Guard::heartbeat`]; [`Error::Later`], [`Error::Unreachable`] and [`Error::Protocol`] leave
    /// open whether it was added: whoever must know uses [`Guard::add_as`].
    pub fn add(&self, task: &serde_json::Value) -> Result<Added, Error> {
        self.add_as(&AddId::random(), task)
    }

    /// The same under an id of the caller's, so that it may be asked again after a lost answer: the
    /// same id of the same run is the same task.
    ///
    /// # Errors
    /// As [`Guard::add`].
    pub fn add_as(&self, id: &AddId, task: &serde_json::Value) -> Result<Added, Error> {
        self.fetch(Op::Add {
            id: id.clone(),
            task: task.clone(),
        })
    }

    /// All about a task of this worker's store, or about its own.
    ///
    /// # Errors
    /// As [`Guard::heartbeat`], and [`Error::Later`].
    pub fn show(&self, task: Option<TaskId>) -> Result<serde_json::Value, Error> {
        self.fetch(Op::Show { task })
    }

    /// The unfinished tasks of this worker's store, and how many more there are; other choices are
    /// made by [`Guard::look`].
    ///
    /// # Errors
    /// As [`Guard::show`].
    pub fn list(&self) -> Result<serde_json::Value, Error> {
        self.look(Op::List {
            all: false,
            status: None,
            assignee: None,
            limit: None,
        })
    }

    /// Asks for what is there: [`Op::Show`] or [`Op::List`].
    ///
    /// # Errors
    /// As [`Guard::show`]; [`Error::Protocol`] where the question is another one.
    pub fn look(&self, question: Op) -> Result<serde_json::Value, Error> {
        self.fetch(question)
    }

    /// Opens a line on which the warden tells when the task stops being this worker's.
    ///
    /// # Errors
    /// [`Error::NotOwner`] where it is somebody else's already; the usual ones otherwise.
    pub fn watch(&self) -> Result<Lost, Error> {
        let mut lines = self.open(Op::Watch)?;
        match read_answer(&mut lines)? {
            Answer::Owned => {
                lines.get_ref().set_read_timeout(None)?;
                Ok(Lost { lines })
            }
            Answer::StandDown { reason } => Err(Error::NotOwner { reason }),
            other @ (Answer::Ok
            | Answer::Kept
            | Answer::NotOwner { .. }
            | Answer::Refused { .. }
            | Answer::Data { .. }
            | Answer::Later { .. }) => Err(unexpected(&other)),
        }
    }

    fn write(&self, op: Op) -> Result<Acceptance, Error> {
        match self.ask(op)? {
            Answer::Ok => Ok(Acceptance::Recorded),
            Answer::Kept => Ok(Acceptance::Kept),
            Answer::NotOwner { reason } => Err(Error::NotOwner { reason }),
            Answer::Refused { message } => Err(Error::Refused { message }),
            other @ (Answer::Owned
            | Answer::StandDown { .. }
            | Answer::Data { .. }
            | Answer::Later { .. }) => Err(unexpected(&other)),
        }
    }

    /// Asks for something that is answered with data.
    fn fetch<T: DeserializeOwned>(&self, op: Op) -> Result<T, Error> {
        match self.ask(op)? {
            Answer::Data { data } => {
                serde_json::from_value(data).map_err(|error| Error::Protocol(error.to_string()))
            }
            Answer::Later { message } => Err(Error::Later { message }),
            Answer::NotOwner { reason } => Err(Error::NotOwner { reason }),
            Answer::Refused { message } => Err(Error::Refused { message }),
            other @ (Answer::Owned | Answer::StandDown { .. } | Answer::Ok | Answer::Kept) => {
                Err(unexpected(&other))
            }
        }
    }

    fn ask(&self, op: Op) -> Result<Answer, Error> {
        read_answer(&mut self.open(op)?)
    }

    /// Connects and sends one request.
    fn open(&self, op: Op) -> Result<BufReader<UnixStream>, Error> {
        let path =
            self.identity.socket.as_deref().ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "TENURE_SOCKET is not set")
            })?;
        let mut stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = Request {
            v: wire::VERSION,
            tenure: self.identity.tenure.clone(),
            op,
        };
        let mut line =
            serde_json::to_string(&request).map_err(|error| Error::Protocol(error.to_string()))?;
        line.push('\n');
        stream.write_all(line.as_bytes())?;
        Ok(BufReader::new(stream))
    }
}

/// Ends this process as one that does not own its task: says so to the warden, where one can be
/// reached, and exits 79. Call it before any work was done.
pub fn stand_down(reason: &Reason) -> ! {
    let socket = std::env::var_os(crate::env::SOCKET).filter(|path| !path.is_empty());
    if let Some(path) = socket {
        let notice = wire::Notice {
            v: wire::VERSION,
            stood_down: reason.clone(),
        };
        // Best effort: without a warden nobody is left to whom it matters.
        let _ = UnixStream::connect(path)
            .and_then(|mut stream| writeln!(stream, "{}", serde_json::json!(notice)));
    }
    std::process::exit(crate::exit_code::NOT_OWNER);
}

/// A way to learn that ownership is lost, without asking again and again.
#[derive(Debug)]
pub struct Lost {
    lines: BufReader<UnixStream>,
}

impl Lost {
    /// Waits until ownership is lost, or until the time is over (`Ok(None)`). A warden that is gone
    /// counts as lost: nobody vouches for the worker any more.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when the socket fails, [`Error::Protocol`] on an unknown answer.
    pub fn wait(&mut self, patience: Option<Duration>) -> Result<Option<Reason>, Error> {
        self.lines.get_ref().set_read_timeout(patience)?;
        match read_answer(&mut self.lines) {
            Ok(Answer::StandDown { reason }) => Ok(Some(reason)),
            Ok(other) => Err(unexpected(&other)),
            Err(Error::Unreachable(error)) if is_over(error.kind()) => Ok(None),
            Err(Error::Unreachable(error)) if is_gone(error.kind()) => {
                Ok(Some(Reason::StoreUnreachable))
            }
            Err(other) => Err(other),
        }
    }
}

impl AsFd for Lost {
    /// Readable when ownership is lost: for a worker with a poll loop of its own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lines.get_ref().as_fd()
    }
}

fn read_answer(lines: &mut BufReader<UnixStream>) -> Result<Answer, Error> {
    let mut line = String::new();
    lines
        .by_ref()
        .take(wire::MAX_LINE as u64)
        .read_line(&mut line)?;
    if line.is_empty() {
        return Err(Error::Unreachable(io::ErrorKind::UnexpectedEof.into()));
    }
    let response: Response =
        serde_json::from_str(&line).map_err(|error| Error::Protocol(error.to_string()))?;
    Ok(response.answer)
}

fn unexpected(answer: &Answer) -> Error {
    Error::Protocol(format!("{answer:?} does not answer this question"))
}

/// The read's time is over.
fn is_over(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The other end is gone.
fn is_gone(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}
