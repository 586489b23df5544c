//! A case for every reason why a task stands where it stands.

use serde_json::{Value, json};
use tenure_guard::{BlockKind, TaskId};
use tenure_store::BatchId;
use tenure_store::event::Event;
use tenure_store::held::Held;
use tenure_store::life::{LinkKind, TaskStatus};
use tenure_store::read::{
    CalledOff, Counted, Departure, Holder, LastServed, Pause, Place, Serving, Situation, WaitedFor,
};

use super::fixture::{Case, alone, at, case, dispatcher, run, with_runs};
use crate::explain::Code;

pub fn cases() -> Vec<Case> {
    let cases = [
        waiting(),
        kept(),
        unserved(),
        caps(),
        running(),
        blocked(),
        over(),
    ];
    cases.into_iter().flatten().collect()
}

fn waited_for(status: TaskStatus, block_kind: Option<BlockKind>, kind: LinkKind) -> WaitedFor {
    WaitedFor {
        id: TaskId(3),
        title: "fetch".into(),
        status,
        block_kind,
        block_reason: block_kind.map(|kind| match kind {
            BlockKind::GaveUp => "max_failures = 3 reached: failed: exit 7".to_owned(),
            BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator => {
                "which colour?".to_owned()
            }
        }),
        called_off: (status == TaskStatus::Cancelled).then(|| CalledOff {
            by: "ada".into(),
            reason: Some("not needed any more".into()),
        }),
        since: at("2026-11-23T10:00:00Z"),
        kind,
    }
}

fn parent(status: TaskStatus, block_kind: Option<BlockKind>, kind: LinkKind) -> Situation {
    Situation {
        parents: vec![waited_for(status, block_kind, kind)],
        ..alone(json!({"status": "todo"}))
    }
}

fn waiting() -> Vec<Case> {
    use LinkKind as L;
    use TaskStatus as S;
    let later = json!({"status": "scheduled", "not_before": "2026-11-23T13:00:00Z"});
    let crashed = run(json!({"outcome": "crashed", "reason": "killed by signal 9"}));
    let deferred = run(json!({"outcome": "deferred", "reason": "exit 75: try later"}));
    let gave_up = Some(BlockKind::GaveUp);
    let asks = Some(BlockKind::NeedsInput);
    let far = Situation {
        stuck_above: vec![waited_for(S::Blocked, gave_up, L::Success)],
        ..alone(json!({"status": "todo"}))
    };
    let mut unsaid = parent(S::Cancelled, None, L::Success);
    unsaid.parents[0].called_off = None;
    unsaid.parents.push(waited_for(S::Ready, None, L::Success));
    vec![
        case(
            "a parent runs",
            Code::WaitsForParent,
            parent(S::Running, None, L::Success),
        ),
        case(
            "any end of a parent",
            Code::WaitsForParent,
            parent(S::Running, None, L::AnyEnd),
        ),
        case(
            "a parent asks",
            Code::ParentBlocked,
            parent(S::Blocked, asks, L::Failure),
        ),
        case(
            "a parent gave up",
            Code::ParentGaveUp,
            parent(S::Blocked, gave_up, L::Success),
        ),
        case(
            "a parent was cancelled",
            Code::ParentCancelled,
            parent(S::Cancelled, None, L::Success),
        ),
        case(
            "one parent was cancelled, nobody knows by whom",
            Code::ParentCancelled,
            unsaid,
        ),
        case("a parent's parent gave up", Code::AncestorStuck, far),
        case(
            "a time that was asked for",
            Code::NotYetDue,
            alone(later.clone()),
        ),
        case(
            "a back-off",
            Code::NotYetDue,
            with_runs(later.clone(), vec![crashed]),
        ),
        case("a defer", Code::NotYetDue, with_runs(later, vec![deferred])),
    ]
}

fn served(change: impl FnOnce(&mut Serving)) -> Situation {
    let mut serving = dispatcher();
    change(&mut serving);
    Situation {
        dispatchers: vec![serving],
        ..alone(json!({}))
    }
}

fn paused(profile: Option<&str>) -> Situation {
    let pause = Pause {
        profile: profile.map(ToOwned::to_owned),
        by: "ada".into(),
        reason: Some("the quota is used up".into()),
        since: at("2026-11-23T09:00:00Z"),
    };
    Situation {
        pauses: vec![pause],
        ..alone(json!({}))
    }
}

fn kept() -> Vec<Case> {
    let held = Held {
        profile: "counter".into(),
        why: "no warden could be made".into(),
        since: at("2026-11-23T11:50:00Z"),
        until: at("2026-11-23T12:00:30Z"),
    };
    let mut two = served(|serving| serving.runs = 4);
    let mut other = dispatcher();
    other.dispatcher.profiles.clear();
    two.dispatchers.push(other);
    let drain = Some(at("2026-11-23T11:55:00Z"));
    let beyond = Situation {
        beyond: Some("limits: unknown field `max_cost`".into()),
        ..alone(json!({"limits": {"max_cost": 7}}))
    };
    let paused_task = alone(json!({"paused_at": "2026-11-23T11:59:00Z"}));
    vec![
        case("the store is paused", Code::PausedStore, paused(None)),
        case(
            "the profile is paused",
            Code::PausedProfile,
            paused(Some("counter")),
        ),
        case("the task is paused", Code::PausedTask, paused_task),
        case(
            "another batch is served",
            Code::BatchOnly,
            served(|serving| serving.dispatcher.batch = Some(BatchId(2))),
        ),
        case(
            "nobody has the profile",
            Code::ProfileMissing,
            served(|serving| serving.dispatcher.profiles.clear()),
        ),
        case(
            "the profile lost a skill",
            Code::SkillMissing,
            served(|serving| serving.dispatcher.profiles[0].skills.clear()),
        ),
        case(
            "the profile requires what the host has not",
            Code::LabelMissing,
            served(|serving| serving.dispatcher.profiles[0].requires = vec!["gpu".into()]),
        ),
        case("a newer version's task", Code::BeyondDispatchers, beyond),
        case(
            "a drain",
            Code::Draining,
            served(|serving| serving.dispatcher.drain_at = drain),
        ),
        case(
            "held back",
            Code::HeldBack,
            served(|serving| serving.dispatcher.held = vec![held]),
        ),
        case("no slot where it could run", Code::NoSlot, two),
        Case {
            is_stopped: true,
            ..case("stopped", Code::DispatcherStopped, alone(json!({})))
        },
        case(
            "no sign of life",
            Code::NoDispatcher,
            served(|serving| serving.quiet_since = Some(at("2026-11-23T11:59:37Z"))),
        ),
    ]
}

/// Nobody serves the store, and the last who did went so.
fn unserved() -> Vec<Case> {
    let nobody = |last_served| Situation {
        dispatchers: Vec::new(),
        last_served,
        ..alone(json!({}))
    };
    let went = |label, departure, batch| {
        let mut last = dispatcher();
        last.dispatcher.batch = batch;
        let last = LastServed {
            dispatcher: last.dispatcher,
            started_at: last.started_at,
            departure,
        };
        case(label, Code::NoDispatcher, nobody(Some(last)))
    };
    let then = at("2026-11-23T09:00:00Z");
    vec![
        case("nobody ever served", Code::NoDispatcher, nobody(None)),
        went("it was stopped", Departure::SignedOff(then), None),
        went(
            "a batch was over",
            Departure::SignedOff(then),
            Some(BatchId(2)),
        ),
        went("it was struck off", Departure::StruckOff(then), None),
        went("it is silent", Departure::Silent(then), None),
        went("it was killed", Departure::Died(Some(then)), None),
        went("it was killed unseen", Departure::Died(None), None),
    ]
}

fn holder(id: i64) -> Holder {
    Holder {
        id: TaskId(id),
        since: at("2026-11-23T11:10:00Z"),
    }
}

fn caps() -> Vec<Case> {
    let full = Situation {
        running_of_profile: 2,
        running_with_profile: vec![holder(4), holder(5)],
        ..served(|serving| serving.dispatcher.profiles[0].max_running = Some(2))
    };
    let mut differ = Situation {
        running_of_profile: 3,
        running_with_profile: vec![holder(4), holder(5), holder(6)],
        ..served(|serving| serving.dispatcher.profiles[0].max_running = Some(2))
    };
    let mut more = dispatcher();
    more.dispatcher.profiles[0].max_running = Some(3);
    differ.dispatchers.push(more);
    // Who would take one more has no slot.
    let mut neither = differ.clone();
    neither.dispatchers[1].runs = 4;
    neither.dispatchers[1].dispatcher.profiles[0].max_running = Some(9);
    let key = Situation {
        running_of_key: 1,
        running_with_key: vec![holder(4)],
        ..alone(json!({"limit_key": "repo:x", "limit": 1}))
    };
    let place = |number, at_least| Situation {
        place: Some(Place {
            before_in_lane: Counted {
                number: 0,
                at_least: false,
            },
            before_in_profile: Counted { number, at_least },
        }),
        ..alone(json!({}))
    };
    vec![
        case("the profile is full", Code::ProfileFull, full),
        case("caps differ", Code::ProfileFull, differ),
        case("a cap here, no slot there", Code::NoSlot, neither),
        case("the limit key is full", Code::LimitKeyFull, key),
        case("far behind", Code::BehindOthers, place(1000, true)),
        case("next", Code::NextInLine, place(0, false)),
    ]
}

fn running() -> Vec<Case> {
    let of = |special: Value| {
        let mut open = json!({"ended_at": null});
        open.as_object_mut()
            .unwrap()
            .extend(special.as_object().unwrap().clone());
        let task = json!({"status": "running", "current_run_id": 40, "attempts": 2});
        with_runs(task, vec![run(open)])
    };
    let claimed = json!({"status": "claimed", "started_at": null, "pid": null});
    let works =
        json!({"status": "running", "note": "half way", "deadline_at": "2026-11-23T12:20:00Z"});
    let asked = json!({"status": "ending", "ask": "stop", "ask_by": "ada", "ask_reason": "too hot",
                       "asked_at": "2026-11-23T11:59:59Z"});
    let reported = json!({"status": "ending", "report": {"complete": {"summary": "9 words"}},
                          "reported_at": "2026-11-23T11:59:59Z"});
    let stopped = json!({"status": "running"});
    let orphan = Situation {
        dispatchers: Vec::new(),
        ..of(json!({"status": "running"}))
    };
    vec![
        case("claimed", Code::Starting, of(claimed)),
        case("at work", Code::Running, of(works)),
        case("asked to end", Code::Ending, of(asked)),
        case("has reported", Code::Ending, of(reported)),
        case("its dispatcher died", Code::Unattended, orphan),
        Case {
            is_warden_stopped: true,
            ..case("its warden is stopped", Code::WardenStopped, of(stopped))
        },
    ]
}

fn blocked() -> Vec<Case> {
    let blocked = |kind: &str, reason: &str| {
        let task =
            json!({"status": "blocked", "block_kind": kind, "block_reason": reason, "attempts": 2});
        let run = run(json!({"outcome": "blocked", "reason": reason,
                             "report": {"block": {"kind": kind, "reason": reason}}}));
        with_runs(task, vec![run])
    };
    let trip = |limit: &str| {
        let reason = format!("{limit} = 1 reached: failed: exit 7");
        blocked("gave_up", &reason)
    };
    vec![
        case(
            "asks",
            Code::BlockedNeedsInput,
            blocked("needs_input", "which colour?"),
        ),
        case(
            "cannot",
            Code::BlockedCapability,
            blocked("capability", "no network here"),
        ),
        case(
            "stopped",
            Code::BlockedOperator,
            blocked("operator", "not today"),
        ),
        case("failures", Code::GaveUpFailures, trip("max_failures")),
        case(
            "violations",
            Code::GaveUpViolations,
            trip("violation_limit"),
        ),
        case("defers", Code::GaveUpDefers, trip("max_defers")),
        case("benign ends", Code::GaveUpBenign, trip("max_benign")),
        case("lost ends", Code::GaveUpLost, trip("max_lost")),
        case("blocks", Code::GaveUpBlocks, trip("max_blocks")),
        case("a rule", Code::GaveUpOnExit, trip("on_exit")),
        case("a newer limit", Code::GaveUp, trip("max_something")),
    ]
}

fn over() -> Vec<Case> {
    let completed = run(json!({"outcome": "completed", "reason": "9 words"}));
    let by = |kind: &str, by: &str, at: &str| -> Event {
        let payload = json!({"by": by, "reason": "not needed any more"});
        let event = json!({"id": 5, "task_id": 7, "run_id": null, "kind": kind, "at": at,
                           "payload": payload});
        serde_json::from_value(event).unwrap()
    };
    let called_off = Situation {
        events: vec![by("cancelled", "ada", "2026-11-23T11:30:00Z")],
        ..alone(json!({"status": "cancelled"}))
    };
    let done_again = Situation {
        events: vec![by("completed", "ada", "2026-11-23T11:00:00Z")],
        ..with_runs(json!({"status": "done"}), vec![completed.clone()])
    };
    let ended = json!({"outcome": "cancelled", "ask": "cancel", "ask_by": "bob"});
    let cancelled_again = Situation {
        events: vec![by("cancelled", "ada", "2026-11-23T11:00:00Z")],
        ..with_runs(json!({"status": "cancelled"}), vec![run(ended)])
    };
    let archived = alone(json!({"status": "done", "archived_at": "2026-11-23T11:40:00Z"}));
    vec![
        case(
            "done",
            Code::Done,
            with_runs(json!({"status": "done"}), vec![completed]),
        ),
        case(
            "completed by a person, retried, done by a run",
            Code::Done,
            done_again,
        ),
        case("cancelled", Code::Cancelled, called_off),
        case(
            "cancelled, retried, cancelled by another",
            Code::Cancelled,
            cancelled_again,
        ),
        case("archived", Code::Archived, archived),
    ]
}
