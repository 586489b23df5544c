//! (report, ask, end) → outcome: what a run's end means. Pure and total.
//!
//! Precedence: a recorded report, else the ask, else what was seen of the end, of which a rule of
//! `on_exit` may say what it means. The class never
//! comes from an exit code alone: a worker cannot buy itself an endless free pass with a code.

use serde::{Deserialize, Serialize};
use tenure_guard::{Reason, Report, exit_code};

use super::ask::Ask;
use super::exit::{CoreDump, Exit};
use super::limits::{Protocol, TempfailExit};
use super::on_exit::{ExitKey, ExitRule, OnExit};
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
        /// The kernel says that it killed something of the run because its memory was at an end.
        #[serde(default)]
        oom: bool,
        /// The kernel dumped the core of the worker's main process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        core: Option<CoreDump>,
    },
    /// The command could not be executed.
    SpawnFailed {
        /// What could not be executed: a program, or `in <folder>` where it should run.
        path: String,
        /// The kernel's error number; 0 where it was not the kernel that refused.
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
        /// Death of the whole tree could not be proved, only searched for.
        tree_unverified: bool,
    },
    /// Its lease ended unrenewed, and another host took the task back without having seen anything.
    Lapsed {
        /// Who did not renew it, in words.
        holder: String,
        /// Who took it back, in words.
        by: String,
    },
}

impl End {
    /// Why a run is closed that was claimed and never let go.
    pub const NEVER_LET_GO: &str = "its dispatcher died before the command was let go";
    /// The same of another host, of which nobody here can know what became.
    pub const NEVER_LET_GO_ELSEWHERE: &str =
        "its host fell silent before the command was let go, and its lease is over";
    /// How it comes that nobody saw an end: here,
    pub const WARDEN_KILLED: &str = "the warden was killed, and nobody saw the worker's end";
    /// in an earlier boot of this host,
    pub const NEW_BOOT: &str = "the host was started anew, and nobody saw the worker's end";
    /// and where nobody here can look.
    pub const OUT_OF_REACH: &str =
        "the warden lived on another host or in another pid namespace, and its lease is over";

    /// The core of the worker's main process, where the kernel dumped it.
    pub fn core(&self) -> Option<&CoreDump> {
        match self {
            Self::Exited { core, .. } => core.as_ref(),
            Self::SpawnFailed { .. }
            | Self::NeverStarted { .. }
            | Self::StoodDown { .. }
            | Self::Unseen { .. }
            | Self::Lapsed { .. } => None,
        }
    }

    /// The kernel's word on the worker, where there was a worker.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Exited { exit, .. } => Some(*exit),
            Self::Unseen { .. } | Self::Lapsed { .. } => Some(Exit::Unobserved),
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
    /// What was said beforehand about exits.
    pub on_exit: &'a OnExit,
}

/// The outcome and, in a few words, why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// The outcome.
    pub outcome: Outcome,
    /// Why: the report's reason, the limit, the kernel's word.
    pub reason: String,
    /// The rule about exits that decided, where one did.
    pub rule: Option<(ExitKey, ExitRule)>,
}

impl Conclusion {
    fn of(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self {
            outcome,
            reason: reason.into(),
            rule: None,
        }
    }
}

/// Concludes how a run ended.
pub fn classify(evidence: &Evidence<'_>) -> Conclusion {
    match (evidence.report, evidence.ask) {
        (Some(report), _) => {
            let (outcome, reason) = by_report(report);
            Conclusion::of(outcome, reason)
        }
        (None, Some(ask)) => Conclusion::of(by_ask(ask), format!("asked: {ask}")),
        (None, None) => by_end(evidence),
    }
}

fn by_report(report: &Report) -> (Outcome, String) {
    match report {
        Report::Complete { summary, .. } => (
            Outcome::Completed,
            summary
                .clone()
                .unwrap_or_else(|| "reported complete".into()),
        ),
        Report::Wait { after, reason } => (
            Outcome::Blocked,
            match reason {
                Some(reason) => format!("waits for task {after}: {reason}"),
                None => format!("waits for task {after}"),
            },
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

fn by_end(evidence: &Evidence<'_>) -> Conclusion {
    match evidence.end {
        End::Exited {
            exit,
            interrupted,
            stood_down,
            oom,
            ..
        } => {
            let mut conclusion = by_exit(evidence, *exit, *interrupted, stood_down.as_ref());
            let is_bad = matches!(conclusion.outcome, Outcome::Crashed | Outcome::Failed)
                || conclusion.rule.is_some();
            if is_bad && *oom {
                conclusion.reason.push_str(" (out of memory)");
            }
            conclusion
        }
        End::SpawnFailed {
            path,
            errno,
            message,
        } => {
            // What is no call of the kernel's has no number.
            let number = match errno {
                0 => String::new(),
                errno => format!(" (errno {errno})"),
            };
            let reason = format!("cannot execute {path}: {message}{number}");
            Conclusion::of(Outcome::SpawnFailed, reason)
        }
        End::NeverStarted { reason } => Conclusion::of(Outcome::NeverStarted, reason.as_str()),
        End::StoodDown { reason } => Conclusion::of(Outcome::Stale, stale(reason)),
        End::Unseen { reason, .. } => Conclusion::of(Outcome::Lost, reason.as_str()),
        End::Lapsed { holder, by } => {
            let reason =
                format!("its lease is over: {holder} did not renew it, and {by} took it back");
            Conclusion::of(Outcome::Reclaimed, reason)
        }
    }
}

fn by_exit(
    evidence: &Evidence<'_>,
    exit: Exit,
    interrupted: bool,
    stood_down: Option<&Reason>,
) -> Conclusion {
    match (exit, evidence.protocol, stood_down) {
        (Exit::Unobserved, _, _) => {
            Conclusion::of(Outcome::Lost, "the worker's end was not observed")
        }
        (Exit::Code(exit_code::DONE), Protocol::Exit, _) => {
            Conclusion::of(Outcome::Completed, exit.to_string())
        }
        (Exit::Code(_) | Exit::Signal(_), _, _) if interrupted => Conclusion::of(
            Outcome::Interrupted,
            format!("told to end from outside: {exit}"),
        ),
        (Exit::Code(exit_code::DONE), Protocol::Report, _) => {
            Conclusion::of(Outcome::ProtocolViolation, "exit 0 without a report")
        }
        (Exit::Code(exit_code::NOT_OWNER), _, Some(reason)) => {
            Conclusion::of(Outcome::Stale, stale(reason))
        }
        (Exit::Code(_) | Exit::Signal(_), _, _) => {
            by_rule(evidence, exit).unwrap_or_else(|| by_bad_exit(evidence, exit))
        }
    }
}

/// What a rule says of an end that is bad without one. A rule that says "retry" says nothing more.
fn by_rule(evidence: &Evidence<'_>, exit: Exit) -> Option<Conclusion> {
    let (key, rule) = evidence.on_exit.rule(exit)?;
    let outcome = match (rule, exit) {
        (ExitRule::Retry, _) => return None,
        (ExitRule::Block(_), _) => Outcome::Blocked,
        (ExitRule::Defer(_), _) => Outcome::Deferred,
        (ExitRule::GiveUp, Exit::Signal(_)) => Outcome::Crashed,
        (ExitRule::GiveUp, Exit::Code(_) | Exit::Unobserved) => Outcome::Failed,
    };
    Some(Conclusion {
        outcome,
        reason: format!("{exit}: on_exit says {key} = {rule}"),
        rule: Some((key, rule)),
    })
}

/// An end that is neither "done" nor anybody's wish.
fn by_bad_exit(evidence: &Evidence<'_>, exit: Exit) -> Conclusion {
    match exit {
        Exit::Code(code) if evidence.tempfail == TempfailExit::Code(code) => {
            Conclusion::of(Outcome::Deferred, format!("exit {code}: try later"))
        }
        Exit::Code(exit_code::NOT_OWNER) => Conclusion::of(
            Outcome::Failed,
            "exit 79 by a worker that was never told \"not owner\"",
        ),
        Exit::Code(_) | Exit::Unobserved => Conclusion::of(Outcome::Failed, exit.to_string()),
        Exit::Signal(signal) => {
            Conclusion::of(Outcome::Crashed, format!("killed by signal {signal}"))
        }
    }
}

/// A stand-down in words, with the variable that is wrong where one is.
fn stale(reason: &Reason) -> String {
    match reason.variable() {
        Some(variable) => format!("stood down: {reason} ({variable})"),
        None => format!("stood down: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use tenure_guard::BlockKind;

    use super::*;
    use Outcome as O;

    fn reports() -> Vec<(Option<Report>, Option<Outcome>)> {
        vec![
            (None, None),
            (
                Some(Report::Complete {
                    summary: None,
                    metadata: None,
                    artifacts: Vec::new(),
                }),
                Some(O::Completed),
            ),
            (
                Some(Report::Block {
                    kind: BlockKind::NeedsInput,
                    reason: "which?".into(),
                }),
                Some(O::Blocked),
            ),
            (
                Some(Report::Defer {
                    for_ms: None,
                    reason: None,
                }),
                Some(O::Deferred),
            ),
            (
                Some(Report::Fail {
                    reason: "no".into(),
                }),
                Some(O::Failed),
            ),
        ]
    }

    /// Every ask with the outcome that the contract gives it.
    const ASKS: [(Option<Ask>, Option<Outcome>); 9] = [
        (None, None),
        (Some(Ask::Cancel), Some(O::Cancelled)),
        (Some(Ask::Stop), Some(O::Stopped)),
        (Some(Ask::Block), Some(O::Blocked)),
        (Some(Ask::Archive), Some(O::Cancelled)),
        (Some(Ask::Reclaim), Some(O::Reclaimed)),
        (Some(Ask::Timeout), Some(O::TimedOut)),
        (Some(Ask::Silence), Some(O::Silent)),
        (Some(Ask::Shutdown), Some(O::Interrupted)),
    ];

    /// Exits, and what each means under protocol `exit`, under `report`, under `exit` when the
    /// worker was interrupted, and under `exit` when its guard stood down.
    const EXITS: [(Exit, [Outcome; 4]); 8] = [
        (
            Exit::Code(0),
            [
                O::Completed,
                O::ProtocolViolation,
                O::Completed,
                O::Completed,
            ],
        ),
        (
            Exit::Code(1),
            [O::Failed, O::Failed, O::Interrupted, O::Failed],
        ),
        (
            Exit::Code(75),
            [O::Deferred, O::Deferred, O::Interrupted, O::Deferred],
        ),
        (
            Exit::Code(79),
            [O::Failed, O::Failed, O::Interrupted, O::Stale],
        ),
        (
            Exit::Code(255),
            [O::Failed, O::Failed, O::Interrupted, O::Failed],
        ),
        (
            Exit::Signal(9),
            [O::Crashed, O::Crashed, O::Interrupted, O::Crashed],
        ),
        (
            Exit::Signal(15),
            [O::Crashed, O::Crashed, O::Interrupted, O::Crashed],
        ),
        (Exit::Unobserved, [O::Lost, O::Lost, O::Lost, O::Lost]),
    ];

    fn exited(exit: Exit, interrupted: bool, told: bool) -> End {
        End::Exited {
            exit,
            interrupted,
            stood_down: told.then_some(Reason::RunMismatch),
            tree_unverified: false,
            oom: false,
            core: None,
        }
    }

    /// Every end, with its outcome where nothing was reported and nothing asked, under each
    /// protocol.
    fn ends() -> Vec<(End, Protocol, Outcome)> {
        let mut ends = Vec::new();
        for (exit, [plain, reporting, interrupted, told]) in EXITS {
            ends.push((exited(exit, false, false), Protocol::Exit, plain));
            ends.push((exited(exit, false, false), Protocol::Report, reporting));
            ends.push((exited(exit, true, false), Protocol::Exit, interrupted));
            ends.push((exited(exit, false, true), Protocol::Exit, told));
        }
        // Interrupted before it could report: nobody's violation.
        ends.push((
            exited(Exit::Code(0), true, false),
            Protocol::Report,
            O::Interrupted,
        ));
        for protocol in [Protocol::Exit, Protocol::Report] {
            let spawn = End::SpawnFailed {
                path: "/no".into(),
                errno: 2,
                message: "no such file".into(),
            };
            let never = End::NeverStarted {
                reason: "no memory".into(),
            };
            let stood_down = End::StoodDown {
                reason: Reason::MissingRunId,
            };
            let unseen = End::Unseen {
                reason: "new boot".into(),
                tree_unverified: false,
            };
            ends.push((spawn, protocol, O::SpawnFailed));
            ends.push((never, protocol, O::NeverStarted));
            ends.push((stood_down, protocol, O::Stale));
            ends.push((unseen, protocol, O::Lost));
            let lapsed = End::Lapsed {
                holder: "one".into(),
                by: "another".into(),
            };
            ends.push((lapsed, protocol, O::Reclaimed));
        }
        ends
    }

    #[test]
    fn a_report_outranks_an_ask_which_outranks_the_end() {
        assert_eq!(ASKS.len(), Ask::ALL.len() + 1);
        for (report, by_report) in reports() {
            for (ask, by_ask) in ASKS {
                for (end, protocol, by_end) in ends() {
                    let conclusion = classify(&Evidence {
                        protocol,
                        tempfail: TempfailExit::Code(75),
                        report: report.as_ref(),
                        ask,
                        end: &end,
                        on_exit: &OnExit::default(),
                    });
                    let expected = by_report.or(by_ask).unwrap_or(by_end);
                    assert_eq!(
                        conclusion.outcome, expected,
                        "{report:?} {ask:?} {protocol} {end:?}"
                    );
                    assert!(!conclusion.reason.is_empty());
                }
            }
        }
    }

    /// A rule for every code and signal of [`EXITS`].
    fn rules(rule: ExitRule) -> OnExit {
        let keys = EXITS.iter().filter_map(|(exit, _)| match exit {
            Exit::Code(0) | Exit::Unobserved => None,
            Exit::Code(code) => Some(ExitKey::Code(*code)),
            Exit::Signal(signal) => Some(ExitKey::Signal(*signal)),
        });
        OnExit(keys.map(|key| (key, rule)).collect())
    }

    /// What becomes of a code, and of a signal, by each rule; nothing where the rule is none.
    const RULES: [(ExitRule, Option<[Outcome; 2]>); 4] = [
        (ExitRule::Retry, None),
        (
            ExitRule::Block(BlockKind::Capability),
            Some([O::Blocked; 2]),
        ),
        (ExitRule::Defer(None), Some([O::Deferred; 2])),
        (ExitRule::GiveUp, Some([O::Failed, O::Crashed])),
    ];

    #[test]
    fn a_rule_speaks_of_bad_exits_only_and_only_where_nobody_else_did() {
        for (rule, by_rule) in RULES {
            let on_exit = rules(rule);
            for (report, by_report) in reports() {
                for (ask, by_ask) in ASKS {
                    for (end, protocol, by_end) in ends() {
                        let conclusion = classify(&Evidence {
                            protocol,
                            tempfail: TempfailExit::Code(75),
                            report: report.as_ref(),
                            ask,
                            end: &end,
                            on_exit: &on_exit,
                        });
                        // A rule changes what is a failure, a crash or a "try later", and no more.
                        let is_code = !matches!(end.exit(), Some(Exit::Signal(_)));
                        let ruled = match by_end {
                            O::Failed | O::Crashed | O::Deferred => by_rule.map_or(
                                by_end,
                                |[code, signal]| {
                                    if is_code { code } else { signal }
                                },
                            ),
                            O::Completed
                            | O::Blocked
                            | O::ProtocolViolation
                            | O::TimedOut
                            | O::Silent
                            | O::SpawnFailed
                            | O::NeverStarted
                            | O::Stale
                            | O::Reclaimed
                            | O::Lost
                            | O::Interrupted
                            | O::Stopped
                            | O::Cancelled => by_end,
                        };
                        let expected = by_report.or(by_ask).unwrap_or(ruled);
                        assert_eq!(
                            conclusion.outcome, expected,
                            "{rule} {report:?} {ask:?} {protocol} {end:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn try_later_is_whatever_code_the_limits_say() {
        let cases = [
            (TempfailExit::Off, 75, O::Failed),
            (TempfailExit::Code(3), 75, O::Failed),
            (TempfailExit::Code(3), 3, O::Deferred),
        ];
        for (tempfail, code, expected) in cases {
            let conclusion = classify(&Evidence {
                protocol: Protocol::Exit,
                tempfail,
                report: None,
                ask: None,
                end: &exited(Exit::Code(code), false, false),
                on_exit: &OnExit::default(),
            });
            assert_eq!(conclusion.outcome, expected, "{tempfail:?} {code}");
        }
    }

    #[test]
    fn a_stand_down_names_the_variable_that_is_wrong() {
        let conclusion = classify(&Evidence {
            protocol: Protocol::Exit,
            tempfail: TempfailExit::Off,
            report: None,
            ask: None,
            end: &End::StoodDown {
                reason: Reason::MissingRunId,
            },
            on_exit: &OnExit::default(),
        });
        assert_eq!(
            conclusion.reason,
            "stood down: missing_run_id (TENURE_RUN_ID)"
        );
    }

    #[test]
    fn an_end_reads_back_as_it_is_written() {
        for (end, _, _) in ends() {
            let text = serde_json::to_string(&end).unwrap();
            assert_eq!(serde_json::from_str::<End>(&text).unwrap(), end, "{text}");
        }
    }
}
