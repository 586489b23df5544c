//! (report, ask, end) → outcome: what a run's end means. Pure and total.
//!
//! Precedence: a recorded report, else the ask, else what was seen of the end. The class never
//! comes from an exit code alone: a worker cannot buy itself an endless free pass with a code.

use serde::{Deserialize, Serialize};
use tenure_guard::{Reason, Report, exit_code};

use super::ask::Ask;
use super::exit::Exit;
use super::limits::{Protocol, TempfailExit};
use super::outcome::Outcome;

/// What the holder's side saw of a run's end, once its whole tree was dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum End {
    /// The worker's main process ended.
    Exited {
        /// How.
        exit: Exit,
        /// A TERM, HUP or INT reached the warden or the dispatcher, and ended the worker.
        interrupted: bool,
        /// Why a guard in the worker stood down, or was told to, before it ended.
        stood_down: Option<Reason>,
        /// Death of the whole tree could not be proved, only searched for.
        tree_unverified: bool,
    },
    /// The command could not be executed.
    SpawnFailed {
        /// What should have been executed, or entered.
        path: String,
        /// The kernel's error number.
        errno: i32,
        /// The kernel's words for it.
        message: String,
    },
    /// The claim never became a worker, by our own side's fault.
    NeverStarted {
        /// What went wrong.
        reason: String,
    },
    /// The guard stood down before the command started.
    StoodDown {
        /// Why.
        reason: Reason,
    },
    /// Nobody could have seen the end.
    Unseen {
        /// How that came about.
        reason: String,
    },
}

impl End {
    /// The kernel's word on the worker, where there was a worker.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Exited { exit, .. } => Some(*exit),
            Self::Unseen { .. } => Some(Exit::Unobserved),
            Self::SpawnFailed { .. } | Self::NeverStarted { .. } | Self::StoodDown { .. } => None,
        }
    }
}

/// Everything that is known when a run closes.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The protocol that was in force for the run.
    pub protocol: Protocol,
    /// Which exit code means "try later".
    pub tempfail: TempfailExit,
    /// The worker's own word, if it was recorded.
    pub report: Option<&'a Report>,
    /// What was asked of the run, if anything.
    pub ask: Option<Ask>,
    /// What was seen.
    pub end: &'a End,
}

/// The outcome and, in a few words, why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The outcome.
    pub outcome: Outcome,
    /// Why: the report's reason, the limit, the kernel's word.
    pub reason: String,
}

/// Concludes how a run ended.
pub fn classify(evidence: &Evidence<'_>) -> Conclusion {
    let (outcome, reason) = match (evidence.report, evidence.ask) {
        (Some(report), _) => by_report(report),
        (None, Some(ask)) => (by_ask(ask), format!("asked: {ask}")),
        (None, None) => by_end(evidence),
    };
    Conclusion { outcome, reason }
}

fn by_report(report: &Report) -> (Outcome, String) {
    match report {
        Report::Complete { summary, .. } => (
            Outcome::Completed,
            summary
                .clone()
                .unwrap_or_else(|| "reported complete".into()),
        ),
        Report::Block { kind, reason } => (Outcome::Blocked, format!("{kind}: {reason}")),
        Report::Defer { reason, .. } => (
            Outcome::Deferred,
            reason.clone().unwrap_or_else(|| "reported defer".into()),
        ),
        Report::Fail { reason } => (Outcome::Failed, reason.clone()),
    }
}

fn by_ask(ask: Ask) -> Outcome {
    match ask {
        Ask::Cancel | Ask::Archive => Outcome::Cancelled,
        Ask::Stop => Outcome::Stopped,
        Ask::Block => Outcome::Blocked,
        Ask::Reclaim => Outcome::Reclaimed,
        Ask::Timeout => Outcome::TimedOut,
        Ask::Silence => Outcome::Silent,
        Ask::Shutdown => Outcome::Interrupted,
    }
}

fn by_end(evidence: &Evidence<'_>) -> (Outcome, String) {
    match evidence.end {
        End::Exited {
            exit,
            interrupted,
            stood_down,
            ..
        } => by_exit(evidence, *exit, *interrupted, stood_down.as_ref()),
        End::SpawnFailed {
            path,
            errno,
            message,
        } => (
            Outcome::SpawnFailed,
            format!("cannot execute {path}: {message} (errno {errno})"),
        ),
        End::NeverStarted { reason } => (Outcome::NeverStarted, reason.clone()),
        End::StoodDown { reason } => (Outcome::Stale, stale(reason)),
        End::Unseen { reason } => (Outcome::Lost, reason.clone()),
    }
}

fn by_exit(
    evidence: &Evidence<'_>,
    exit: Exit,
    interrupted: bool,
    stood_down: Option<&Reason>,
) -> (Outcome, String) {
    match (exit, evidence.protocol) {
        (Exit::Unobserved, _) => (Outcome::Lost, "the worker's end was not observed".into()),
        (Exit::Code(exit_code::DONE), Protocol::Exit) => (Outcome::Completed, exit.to_string()),
        (Exit::Code(_) | Exit::Signal(_), _) if interrupted => (
            Outcome::Interrupted,
            format!("told to end from outside: {exit}"),
        ),
        (Exit::Code(exit_code::DONE), Protocol::Report) => {
            (Outcome::ProtocolViolation, "exit 0 without a report".into())
        }
        (Exit::Code(code), _) if evidence.tempfail == TempfailExit::Code(code) => {
            (Outcome::Deferred, format!("exit {code}: try later"))
        }
        (Exit::Code(exit_code::NOT_OWNER), _) => match stood_down {
            Some(reason) => (Outcome::Stale, stale(reason)),
            None => (
                Outcome::Failed,
                "exit 79 by a worker that was never told \"not owner\"".into(),
            ),
        },
        (Exit::Code(code), _) => (Outcome::Failed, format!("exit {code}")),
        (Exit::Signal(signal), _) => (Outcome::Crashed, format!("killed by signal {signal}")),
    }
}

/// A stand-down in words, with the variable that is wrong where one is.
fn stale(reason: &Reason) -> String {
    match reason.variable() {
        Some(variable) => format!("stood down: {reason} ({variable})"),
        None => format!("stood down: {reason}"),
    }
}
