//! How a run ended: the code for programs, and the evidence in words. What is known is said; what is
//! not known is not guessed.

use std::path::PathBuf;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::Serialize;
use tenure_guard::{Reason as Verdict, RunId};
use tenure_store::duration;
use tenure_store::event::EventKind;
use tenure_store::life::{Ask, End, Exit, Outcome, RunStatus};
use tenure_store::read::{RunView, Situation, Stored};

use super::{Code, running, signal};
use crate::verb::seconds;

/// A run, told at length.
#[derive(Debug, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "`attempt` is the column's name, as in `runs --json`"
)]
pub struct Attempt {
    pub run_id: RunId,
    pub attempt: u32,
    pub profile: String,
    pub status: RunStatus,
    /// How it ended; null while it has not.
    pub code: Option<Code>,
    pub outcome: Option<Stored<Outcome>>,
    pub reason: Option<String>,
    /// What is known of its end, in words.
    pub evidence: Vec<String>,
    /// What its guard answered when it did not answer "owned".
    pub verdicts: Vec<StoodDown>,
    pub report: Option<serde_json::Value>,
    pub claimed_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// From its start to its end, or to now.
    pub ran_ms: Option<i64>,
    pub tree_unverified: bool,
    pub log: Option<PathBuf>,
    /// The last lines of its output.
    pub log_tail: Vec<String>,
}

/// A guard that stood down.
#[derive(Debug, Serialize)]
pub struct StoodDown {
    /// When.
    pub at: Timestamp,
    /// Why, as the guard says it.
    pub reason: String,
    /// The variable of the worker's environment that was wrong, where one was.
    pub variable: Option<&'static str>,
}

/// An earlier run, in a line.
#[derive(Debug, Serialize)]
pub struct Earlier {
    pub run_id: RunId,
    pub attempt: u32,
    pub code: Option<Code>,
    pub reason: Option<String>,
    pub ended_at: Option<Timestamp>,
}

impl Earlier {
    pub(super) fn of(run: &RunView) -> Self {
        Self {
            run_id: run.run_id,
            attempt: run.attempt,
            code: code(run),
            reason: run.reason.clone(),
            ended_at: run.ended_at,
        }
    }
}

impl Attempt {
    pub(super) fn of(run: &RunView, situation: &Situation, log_tail: Vec<String>) -> Self {
        let until = run.ended_at.unwrap_or(situation.at);
        let ran = |started: Timestamp| until.as_millisecond() - started.as_millisecond();
        Self {
            run_id: run.run_id,
            attempt: run.attempt,
            profile: run.profile.clone(),
            status: run.status,
            code: code(run),
            outcome: run.outcome.clone(),
            reason: run.reason.clone(),
            evidence: evidence(run),
            verdicts: verdicts(run, situation),
            report: run.report.clone(),
            claimed_at: run.claimed_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            ran_ms: run.started_at.map(ran),
            tree_unverified: run.tree_unverified,
            log: run.log.clone(),
            log_tail,
        }
    }
}

fn verdicts(run: &RunView, situation: &Situation) -> Vec<StoodDown> {
    let of_run = situation
        .events
        .iter()
        .filter(|event| event.kind == EventKind::StoodDown && event.run_id == Some(run.run_id));
    of_run
        .map(|event| {
            let reason = event.payload["reason"].as_str().unwrap_or("unknown");
            let known: Option<Verdict> = reason.parse().ok();
            StoodDown {
                at: event.at,
                reason: reason.to_owned(),
                variable: known.and_then(|verdict| verdict.variable()),
            }
        })
        .collect()
}

/// How a run ended, for programs; nothing while it has not.
pub fn code(run: &RunView) -> Option<Code> {
    let seen = run.known_end();
    let is_oom = matches!(seen, Some(End::Exited { oom: true, .. }));
    let has_reported = run.report.is_some();
    let says_wait = run
        .report
        .as_ref()
        .is_some_and(|report| report.get("wait").is_some());
    let outcome = run.outcome.as_ref()?;
    let Some(outcome) = outcome.known() else {
        return Some(Code::EndUnknown);
    };
    Some(match outcome {
        Outcome::Completed if has_reported => Code::CompletedReported,
        Outcome::Completed => Code::CompletedExit,
        Outcome::Blocked if says_wait => Code::BlockedWaits,
        Outcome::Blocked if has_reported => Code::BlockedReported,
        Outcome::Blocked if run.ask.is_some() => Code::BlockedAsked,
        Outcome::Blocked => Code::BlockedOnExit,
        Outcome::Deferred if has_reported => Code::DeferredReported,
        Outcome::Deferred => Code::DeferredExit,
        Outcome::Failed if has_reported => Code::FailedReported,
        Outcome::Failed if is_oom => Code::FailedOom,
        Outcome::Failed if is_not_owner(seen) => Code::FailedNotToldToStandDown,
        Outcome::Failed => Code::FailedExit,
        Outcome::Crashed if is_oom => Code::CrashedOom,
        Outcome::Crashed => Code::CrashedSignal,
        Outcome::ProtocolViolation => Code::ViolationNoReport,
        Outcome::TimedOut => Code::TimedOut,
        Outcome::Silent => Code::Silent,
        Outcome::SpawnFailed => not_executed(seen),
        Outcome::NeverStarted => match seen {
            Some(End::NeverStarted { reason })
                if reason == End::NEVER_LET_GO || reason == End::NEVER_LET_GO_ELSEWHERE =>
            {
                Code::NeverStartedDispatcher
            }
            _ => Code::NeverStartedOurs,
        },
        Outcome::Stale => stale(seen),
        Outcome::Reclaimed if matches!(seen, Some(End::Lapsed { .. })) && run.ask.is_none() => {
            Code::ReclaimedLapsed
        }
        Outcome::Reclaimed => Code::ReclaimedAsked,
        Outcome::Lost => lost(seen),
        Outcome::Interrupted if run.ask == Some(Ask::Shutdown) => Code::InterruptedShutdown,
        Outcome::Interrupted => Code::InterruptedSignal,
        Outcome::Stopped => Code::StoppedAsked,
        Outcome::Cancelled if run.ask == Some(Ask::Archive) => Code::CancelledArchived,
        Outcome::Cancelled => Code::CancelledAsked,
    })
}

fn is_not_owner(seen: Option<&End>) -> bool {
    let exit = seen.and_then(End::exit);
    exit == Some(Exit::Code(tenure_guard::exit_code::NOT_OWNER))
}

fn not_executed(seen: Option<&End>) -> Code {
    let Some(End::SpawnFailed { errno, .. }) = seen else {
        return Code::SpawnOther;
    };
    // By its number, because it is the kernel's word that counts.
    if *errno == Errno::ENOENT as i32 {
        Code::SpawnNoEntry
    } else if *errno == Errno::EACCES as i32 || *errno == Errno::EPERM as i32 {
        Code::SpawnNoAccess
    } else if *errno == Errno::ENOEXEC as i32 {
        Code::SpawnNoProgram
    } else {
        Code::SpawnOther
    }
}

fn stale(seen: Option<&End>) -> Code {
    let reason = match seen {
        Some(End::StoodDown { reason }) => Some(reason),
        Some(End::Exited { stood_down, .. }) => stood_down.as_ref(),
        Some(
            End::SpawnFailed { .. }
            | End::NeverStarted { .. }
            | End::Unseen { .. }
            | End::Lapsed { .. },
        )
        | None => None,
    };
    match reason.and_then(Verdict::variable) {
        Some(_) => Code::StaleEnvironment,
        None => Code::StaleNotOwner,
    }
}

fn lost(seen: Option<&End>) -> Code {
    match seen {
        Some(End::Unseen { reason, .. }) if reason == End::NEW_BOOT => Code::LostNewBoot,
        Some(End::Unseen { reason, .. }) if reason == End::WARDEN_KILLED => Code::LostWardenKilled,
        Some(End::Unseen { reason, .. }) if reason == End::OUT_OF_REACH => Code::LostOutOfReach,
        Some(_) | None => Code::LostUnobserved,
    }
}

/// What is known of a run's end.
fn evidence(run: &RunView) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(outcome @ Stored::Foreign(_)) = &run.outcome {
        said.push(format!("a newer tenure closed it: {outcome}"));
    }
    if let Some(report) = &run.report {
        let word = report.as_object().and_then(|report| report.keys().next());
        let word = word.map_or("something", String::as_str);
        said.push(format!("the worker reported {word}, which decides"));
    }
    if let Some(ask) = run.ask {
        said.push(format!("it was asked to end: {}", running::asked(run, ask)));
        said.extend(over(run, ask));
    }
    said.extend(match &run.seen {
        Some(Stored::Known(end)) => of_end(run, end),
        Some(Stored::Foreign(end)) => vec![format!("a newer tenure saw its end, and wrote: {end}")],
        None => Vec::new(),
    });
    said.extend(of_tree(run));
    said
}

/// Which limit it was over, and what of it is known.
fn over(run: &RunView, ask: Ask) -> Option<String> {
    let limits = run.limits.known()?;
    match ask {
        Ask::Timeout => limits
            .max_runtime
            .map(|limit| format!("it was over max_runtime = {}", duration::format(limit))),
        Ask::Silence => limits.heartbeat_timeout.map(|limit| {
            let last = match run.heartbeat_at {
                Some(time) => format!("the last one came at {}", seconds(time)),
                None => "it never sent one".to_owned(),
            };
            let limit = duration::format(limit);
            format!("it sent no heartbeat for heartbeat_timeout = {limit}: {last}")
        }),
        Ask::Cancel | Ask::Stop | Ask::Block | Ask::Archive | Ask::Reclaim | Ask::Shutdown => None,
    }
}

/// What was seen of it.
fn of_end(run: &RunView, end: &End) -> Vec<String> {
    let mut said = Vec::new();
    match end {
        End::Exited {
            exit,
            interrupted,
            stood_down,
            oom,
            core,
            ..
        } => {
            said.push(format!("the kernel says: {}", exited(*exit)));
            said.extend(core.as_ref().map(signal::dumped));
            if *oom {
                said.push(
                    "the kernel killed something of the run because its memory was at an end"
                        .into(),
                );
            }
            if *interrupted {
                said.push(
                    "a TERM, HUP or INT reached its warden or its dispatcher, and was passed on"
                        .into(),
                );
            }
            if let Some(reason) = stood_down {
                said.push(format!(
                    "it was told, or said, that it is not the owner: {reason}"
                ));
            }
            said.extend(sender(run, *exit, *interrupted, *oom));
        }
        End::SpawnFailed {
            path,
            errno,
            message,
        } => {
            let number = Errno::from_raw(*errno);
            said.push(match errno {
                0 => format!("{path} could not be started: {message}"),
                errno => {
                    format!("{path} could not be executed: {message} ({number:?}, errno {errno})")
                }
            });
        }
        End::NeverStarted { .. } => said.push("nothing of its command ran".into()),
        End::StoodDown { reason } => {
            said.push(format!(
                "its command was never started: its guard said {reason}"
            ));
        }
        End::Unseen {
            tree_unverified: false,
            ..
        } => said.push("nothing of it is left: that was proved".into()),
        End::Lapsed { holder, .. } => said.push(format!(
            "{holder} did not renew its lease; a warden that cannot renew ends its worker before that, and whatever this one says now is refused"
        )),
        End::Unseen { .. } => {}
    }
    said
}

/// What is known of the rest of its tree.
fn of_tree(run: &RunView) -> Option<String> {
    if matches!(run.known_end(), Some(End::Lapsed { .. })) {
        return Some(
            "nobody could look at its host, so nothing proves that its tree is dead".into(),
        );
    }
    run.tree_unverified.then(|| {
        "that its whole tree is dead was searched for and not proved: a process that left its session may live on".into()
    })
}

fn exited(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => signal::code(code),
        Exit::Signal(number) => format!("killed by {}", signal::named(number)),
        Exit::Unobserved => "nothing, because nobody was there to be told".to_owned(),
    }
}

/// Who sent the signal that killed it, where one did.
fn sender(run: &RunView, exit: Exit, interrupted: bool, oom: bool) -> Option<String> {
    let Exit::Signal(number) = exit else {
        return None;
    };
    // A warden sends these two and no others.
    let by_us = [Signal::SIGTERM as i32, Signal::SIGKILL as i32].contains(&number);
    Some(match (run.ask, &run.report) {
        (Some(_), _) if by_us => "its warden sent the signal, because of what was asked".into(),
        (_, Some(_)) if by_us => {
            "its warden sent the signal: it had reported and did not exit within finish_grace"
                .into()
        }
        _ if interrupted && by_us => "its warden passed the signal on".into(),
        _ if oom => "the kernel sent the signal".into(),
        (_, _) => signal::origin(number).to_owned(),
    })
}
