//! A case for every way in which a run can have ended.

#![expect(
    clippy::needless_pass_by_value,
    reason = "what is special about a case is written out where it is given"
)]

use serde_json::{Value, json};
use tenure_store::event::Event;
use tenure_store::life::End;

use super::fixture::{Case, case, run, with_runs};
use crate::explain::Code;

pub fn cases() -> Vec<Case> {
    [well(), badly(), limits(), unexecuted(), benign(), asked()]
        .into_iter()
        .flatten()
        .collect()
}

/// A task whose newest run ended so, and one before it like it.
fn ended(label: &'static str, code: Code, outcome: &str, reason: &str, special: Value) -> Case {
    let ended = |run_id: i64, attempt: i64| {
        let mut whole =
            json!({"outcome": outcome, "reason": reason, "run_id": run_id, "attempt": attempt});
        whole
            .as_object_mut()
            .unwrap()
            .extend(special.as_object().unwrap().clone());
        run(whole)
    };
    let task = json!({"status": "ready", "attempts": 2});
    case(
        label,
        code,
        with_runs(task, vec![ended(40, 2), ended(30, 1)]),
    )
}

fn exited(exit: Value) -> Value {
    json!({"end": "exited", "exit": exit, "interrupted": false, "stood_down": null,
           "tree_unverified": false, "oom": false})
}

fn with(mut seen: Value, key: &str, value: Value) -> Value {
    seen[key] = value;
    json!({ "seen": seen })
}

fn seen(seen: Value) -> Value {
    json!({ "seen": seen })
}

fn reported(report: Value) -> Value {
    json!({"report": report, "seen": exited(json!({"code": 0}))})
}

fn well() -> Vec<Case> {
    let zero = || exited(json!({"code": 0}));
    vec![
        ended(
            "said so",
            Code::CompletedReported,
            "completed",
            "9 words",
            reported(json!({"complete": {"summary": "9 words"}})),
        ),
        ended(
            "exit 0",
            Code::CompletedExit,
            "completed",
            "exit 0",
            seen(zero()),
        ),
        ended(
            "asks",
            Code::BlockedReported,
            "blocked",
            "needs_input: which colour?",
            reported(json!({"block": {"kind": "needs_input", "reason": "which colour?"}})),
        ),
        ended(
            "waits",
            Code::BlockedWaits,
            "blocked",
            "waits for task 9",
            reported(json!({"wait": {"after": 9}})),
        ),
        ended(
            "a rule blocks",
            Code::BlockedOnExit,
            "blocked",
            "exit 2",
            seen(exited(json!({"code": 2}))),
        ),
        ended(
            "later",
            Code::DeferredReported,
            "deferred",
            "rate limit",
            reported(json!({"defer": {"for_ms": 1000}})),
        ),
        ended(
            "exit 75",
            Code::DeferredExit,
            "deferred",
            "exit 75: try later",
            seen(exited(json!({"code": 75}))),
        ),
    ]
}

fn badly() -> Vec<Case> {
    let killed = || exited(json!({"signal": 9}));
    let unverified = json!({"seen": exited(json!({"signal": 11})), "tree_unverified": true});
    vec![
        ended(
            "said so",
            Code::FailedReported,
            "failed",
            "no words",
            reported(json!({"fail": {"reason": "no words"}})),
        ),
        ended(
            "exit 127",
            Code::FailedExit,
            "failed",
            "exit 127",
            seen(exited(json!({"code": 127}))),
        ),
        ended(
            "exit 79",
            Code::FailedNotToldToStandDown,
            "failed",
            "exit 79 by a worker that was never told \"not owner\"",
            seen(exited(json!({"code": 79}))),
        ),
        ended(
            "memory, survived",
            Code::FailedOom,
            "failed",
            "exit 1 (out of memory)",
            with(exited(json!({"code": 1})), "oom", json!(true)),
        ),
        ended(
            "SIGKILL",
            Code::CrashedSignal,
            "crashed",
            "killed by signal 9",
            seen(killed()),
        ),
        ended(
            "SIGSEGV, unverified",
            Code::CrashedSignal,
            "crashed",
            "killed by signal 11",
            unverified,
        ),
        ended(
            "SIGABRT, core dumped",
            Code::CrashedSignal,
            "crashed",
            "killed by signal 6",
            with(
                exited(json!({"signal": 6})),
                "core",
                json!({"pattern": "core"}),
            ),
        ),
        ended(
            "memory",
            Code::CrashedOom,
            "crashed",
            "killed by signal 9 (out of memory)",
            with(killed(), "oom", json!(true)),
        ),
    ]
}

fn limits() -> Vec<Case> {
    let limits = tenure_store::life::Limits {
        max_runtime: Some(std::time::Duration::from_secs(597)),
        heartbeat_timeout: Some(std::time::Duration::from_mins(8)),
        ..tenure_store::life::Limits::default()
    };
    let limits = serde_json::to_value(limits).unwrap();
    let killed = || exited(json!({"signal": 9}));
    vec![
        ended(
            "no report",
            Code::ViolationNoReport,
            "protocol_violation",
            "exit 0 without a report",
            seen(exited(json!({"code": 0}))),
        ),
        ended(
            "too long",
            Code::TimedOut,
            "timed_out",
            "asked: timeout",
            json!({"seen": killed(), "ask": "timeout", "ask_by": "dispatcher", "limits": limits}),
        ),
        ended(
            "silent",
            Code::Silent,
            "silent",
            "asked: silence",
            json!({"seen": exited(json!({"signal": 15})), "ask": "silence", "ask_by": "dispatcher",
                   "limits": limits, "heartbeat_at": "2026-11-23T11:21:00Z"}),
        ),
        ended(
            "silent from the start",
            Code::Silent,
            "silent",
            "asked: silence",
            json!({"seen": killed(), "ask": "silence", "ask_by": "dispatcher", "limits": limits}),
        ),
    ]
}

fn unexecuted() -> Vec<Case> {
    let refused = |errno: i32, message: &str| {
        seen(json!({"end": "spawn_failed", "path": "/opt/x", "errno": errno, "message": message}))
    };
    let reason = "cannot execute /opt/x";
    let spawn = |label, code, errno, message| {
        ended(label, code, "spawn_failed", reason, refused(errno, message))
    };
    vec![
        spawn(
            "no file",
            Code::SpawnNoEntry,
            2,
            "No such file or directory",
        ),
        spawn("no access", Code::SpawnNoAccess, 13, "Permission denied"),
        spawn("no program", Code::SpawnNoProgram, 8, "Exec format error"),
        spawn("no worktree", Code::SpawnOther, 0, "no git repository"),
    ]
}

fn benign() -> Vec<Case> {
    let never = |reason: &str| seen(json!({"end": "never_started", "reason": reason}));
    // Where nobody here can look, nothing of a tree is proved.
    let lost = |label, code, reason: &'static str, tree_unverified: bool| {
        let end = json!({"end": "unseen", "reason": reason, "tree_unverified": tree_unverified});
        let special = json!({"seen": end, "tree_unverified": tree_unverified});
        ended(label, code, "lost", reason, special)
    };
    let mut stood_down = ended(
        "a variable is missing",
        Code::StaleEnvironment,
        "stale",
        "stood down: missing_claim_lock (TENURE_CLAIM_LOCK)",
        with(
            exited(json!({"code": 79})),
            "stood_down",
            json!("missing_claim_lock"),
        ),
    );
    let event: Event = serde_json::from_value(json!({
        "id": 5, "task_id": 7, "run_id": 40, "kind": "stood_down", "at": "2026-11-23T11:25:00Z",
        "payload": {"reason": "missing_claim_lock"}
    }))
    .unwrap();
    stood_down.situation.events = vec![event];
    vec![
        ended(
            "the dispatcher died",
            Code::NeverStartedDispatcher,
            "never_started",
            End::NEVER_LET_GO,
            never(End::NEVER_LET_GO),
        ),
        ended(
            "no folder",
            Code::NeverStartedOurs,
            "never_started",
            "no space left",
            never("no space left"),
        ),
        stood_down,
        ended(
            "not the owner",
            Code::StaleNotOwner,
            "stale",
            "stood down: lease_expired",
            seen(json!({"end": "stood_down", "reason": "lease_expired"})),
        ),
        lost("a new boot", Code::LostNewBoot, End::NEW_BOOT, false),
        lost(
            "no warden",
            Code::LostWardenKilled,
            End::WARDEN_KILLED,
            false,
        ),
        lost("elsewhere", Code::LostOutOfReach, End::OUT_OF_REACH, true),
        ended(
            "unobserved",
            Code::LostUnobserved,
            "lost",
            "the worker's end was not observed",
            seen(exited(json!("unobserved"))),
        ),
        ended(
            "by a newer version",
            Code::EndUnknown,
            "preempted",
            "a more urgent task took its place",
            seen(json!({"end": "preempted", "by": 9})),
        ),
        ended(
            "SIGTERM to its warden",
            Code::InterruptedSignal,
            "interrupted",
            "told to end from outside: signal 15",
            with(exited(json!({"signal": 15})), "interrupted", json!(true)),
        ),
    ]
}

fn asked() -> Vec<Case> {
    let asked = |label, code, outcome: &str, ask: &str, by: &str| {
        let reason = format!("asked: {ask}");
        let special = json!({"seen": exited(json!({"signal": 15})), "ask": ask, "ask_by": by,
                             "ask_reason": "as I said"});
        ended(label, code, outcome, &reason, special)
    };
    vec![
        asked(
            "reclaim",
            Code::ReclaimedAsked,
            "reclaimed",
            "reclaim",
            "ada",
        ),
        ended(
            "another host took it back",
            Code::ReclaimedLapsed,
            "reclaimed",
            "its lease is over: dispatcher 1 on one did not renew it, and dispatcher 2 on another took it back",
            seen(
                json!({"end": "lapsed", "holder": "dispatcher 1 on one", "by": "dispatcher 2 on another"}),
            ),
        ),
        asked(
            "shutdown",
            Code::InterruptedShutdown,
            "interrupted",
            "shutdown",
            "dispatcher",
        ),
        asked("stop", Code::StoppedAsked, "stopped", "stop", "ada"),
        asked("block", Code::BlockedAsked, "blocked", "block", "ada"),
        asked("cancel", Code::CancelledAsked, "cancelled", "cancel", "ada"),
        asked(
            "archive",
            Code::CancelledArchived,
            "cancelled",
            "archive",
            "ada",
        ),
    ]
}
