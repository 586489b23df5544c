//! What can go wrong: a variant per thing the caller can do about it.

use std::path::PathBuf;

use tenure_guard::{MalformedId, Reason, RunId, TaskId};

use crate::life::IllegalMove;
use crate::life::word::UnknownWord;

/// An operation did not happen; nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Stop acting for the run: it is not yours, or not open, or being taken away.
    #[error("not the owner of the task: {reason}")]
    NotOwner {
        /// Why.
        reason: Reason,
    },
    /// Another report of this run stands already.
    #[error("run {run} reported {standing} already; the first report stands")]
    AlreadyReported {
        /// The run.
        run: RunId,
        /// What it reported.
        standing: String,
    },
    /// There is no such task.
    #[error("no task has the id {0}: `tenure list --all` shows those there are")]
    NoSuchTask(TaskId),
    /// There is no such run.
    #[error("no run has the id {0}")]
    NoSuchRun(RunId),
    /// The task's status does not allow it.
    #[error("task {task}: {source}")]
    Illegal {
        /// The task.
        task: TaskId,
        /// The move that is not legal.
        source: IllegalMove,
    },
    /// The task or its run is in a state in which the verb makes no sense.
    #[error("task {task}: {why}")]
    Refused {
        /// The task.
        task: TaskId,
        /// Why, and the way out.
        why: String,
    },
    /// A task with this idempotency key exists, and it is another task.
    #[error(
        "key {key:?} belongs to task {task}, whose content differs: use another key, or add the same content"
    )]
    KeyTaken {
        /// The key.
        key: String,
        /// Whose it is.
        task: TaskId,
    },
    /// The task as given cannot be taken: names the field, the value and the way out.
    #[error("{0}")]
    Invalid(String),
    /// Another dispatcher holds the store.
    #[error("{0}")]
    Held(String),
    /// The database is busy or away: the same may succeed later.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// The store was brought to a version whose tables this program must not write to any more.
    #[error(
        "the store was brought to schema version {found} meanwhile, which is for programs that know {compatible_from} or later, and this tenure knows {known} at most: install the newer tenure on this host, and start it"
    )]
    Outgrown {
        /// The version of its tables.
        found: i64,
        /// The oldest one whose programs may write to them.
        compatible_from: i64,
        /// The newest one known here.
        known: i64,
    },
    /// The store holds something that this version cannot read.
    #[error("the store holds something unreadable: {0}")]
    Unreadable(String),
}

impl Error {
    /// Whether what was to be written can still be, later or by a newer program: whoever has it keeps it.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Outgrown { .. })
    }
}

impl From<MalformedId> for Error {
    fn from(error: MalformedId) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<UnknownWord> for Error {
    fn from(error: UnknownWord) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// A store could not be opened; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error("{url:?} is no store address: {problem}")]
    Address {
        /// What was given, without a password.
        url: String,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// The path is a folder.
    #[error("{} is a folder: name the file of the store in it, like {}", path.display(), path.join("tenure.db").display())]
    Folder {
        /// The path.
        path: PathBuf,
    },
    /// The file is no SQLite database.
    #[error("{} is no SQLite database: name another file; this one was left as it is", path.display())]
    NoDatabase {
        /// The path.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error(
        "{what} holds tables of another program: name another store; this one was left as it is"
    )]
    Foreign {
        /// Which store.
        what: String,
    },
    /// A newer version of Tenure wrote it, and its tables are not for this one.
    #[error(
        "{what} has schema version {found}, which is for programs that know {compatible_from} or later, and this tenure knows {known} at most: install on this host the newer tenure that the store's other dispatchers run, or name another store"
    )]
    Newer {
        /// Which store.
        what: String,
        /// Its version.
        found: i64,
        /// The oldest one whose programs may use it.
        compatible_from: i64,
        /// The newest one known here.
        known: i64,
    },
    /// An older version of Tenure wrote it, and the caller only reads.
    #[error(
        "{what} has schema version {found}, and this tenure needs {known}: start `tenure serve` once, which brings it up to date"
    )]
    Older {
        /// Which store.
        what: String,
        /// Its version.
        found: i64,
        /// The one needed.
        known: i64,
    },
    /// Dispatchers live that could not go on if its tables were brought up to date.
    #[error(
        "{what} has schema version {found}, and this tenure needs {known}, which would shut out what lives there: {dispatchers}; let each finish (`tenure drain ID` by its own version, or stop it), install this version on its host, then try again; one that was killed counts as living until half a minute after it was last seen"
    )]
    ShutsOut {
        /// Which store, without a password.
        what: String,
        /// Its version.
        found: i64,
        /// The one needed.
        known: i64,
        /// Which dispatchers, each with host, version and when it was seen.
        dispatchers: String,
    },
    /// The server does not know this role, or this database; waiting does not mend that.
    #[error("{what} does not let us in: {problem}; `tenure config show` says who named it")]
    Denied {
        /// Which store, without a password.
        what: String,
        /// The server's words.
        problem: String,
    },
    /// The tables are missing or old, and this role may not make them.
    #[error(
        "{what} needs tables of schema version {known}, which this role may not make ({problem}): let their owner do it once, TENURE_DB=postgres://OWNER@HOST/DATABASE tenure resume"
    )]
    MayNotMigrate {
        /// Which store, without a password.
        what: String,
        /// The version needed.
        known: i64,
        /// The server's words.
        problem: String,
    },
    /// The store cannot be written.
    #[error("{} cannot be written: {problem}", path.display())]
    ReadOnly {
        /// The path.
        path: PathBuf,
        /// Whose permission is missing, and the way out.
        problem: String,
    },
    /// Locks do not hold there.
    #[error("{} lies on a network filesystem ({kind}), where SQLite's locks do not hold: use a local disk, or PostgreSQL", path.display())]
    NetworkFilesystem {
        /// The path.
        path: PathBuf,
        /// Which filesystem.
        kind: String,
    },
    /// The SQLite in this binary can corrupt a WAL.
    #[error(
        "SQLite {found} can corrupt a write-ahead log; 3.51.3 or later is needed: rebuild with the bundled one"
    )]
    OldSqlite {
        /// Its version.
        found: String,
    },
    /// A migration into it is not finished.
    #[error(
        "a migration into {what} is not finished: `tenure migrate --from {from} --to {what}` goes on with it; or drop what is in it"
    )]
    Unfinished {
        /// Which store.
        what: String,
        /// Where from, without a password.
        from: String,
    },
    /// It is being migrated elsewhere, and nothing of it may change meanwhile.
    #[error(
        "{what} is being moved to {to}: `tenure migrate --from {what} --to {to}` goes on with it, `tenure migrate --from {what} --undo` leaves everything here"
    )]
    Moving {
        /// Which store.
        what: String,
        /// Where to, without a password.
        to: String,
    },
    /// It was migrated elsewhere.
    #[error(
        "{what} was moved to {to} at {at}, and is only what it was then: name that one in [store] url, TENURE_DB or --db; the way back is `tenure migrate --from {to} --to NEW_STORE`"
    )]
    Moved {
        /// Which store.
        what: String,
        /// Where to, without a password.
        to: String,
        /// When.
        at: jiff::Timestamp,
    },
    /// The database is busy or away.
    #[error("{what} did not answer: {problem}")]
    Unavailable {
        /// Which store, without a password.
        what: String,
        /// The database's words.
        problem: String,
    },
}
