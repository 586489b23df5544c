//! Situations to explain, each told as what is special about it.

use jiff::Timestamp;
use serde_json::{Value, json};
use tenure_guard::TaskId;
use tenure_store::DispatcherId;
use tenure_store::dispatcher::{Dispatcher, PublishedProfile};
use tenure_store::process::ProcessId;
use tenure_store::read::{RunView, Serving, Situation, TaskRow};

use crate::explain::{Code, Seen};

/// The moment of every case.
const AT: &str = "2026-11-23T12:00:00Z";

/// The dispatcher of every case.
pub const DISPATCHER: &str = "01980000-0000-7000-8000-000000000001";

/// A situation, and the reason that it must give.
pub struct Case {
    pub label: &'static str,
    pub code: Code,
    pub situation: Situation,
    /// Whether its dispatchers are stopped.
    pub is_stopped: bool,
    /// Whether its run's warden is.
    pub is_warden_stopped: bool,
}

impl Case {
    /// What whoever explains found out besides.
    pub fn seen(&self, log_tail: Vec<String>) -> Seen {
        let dispatchers = self.situation.dispatchers.iter();
        let stopped = dispatchers.filter(|_| self.is_stopped);
        Seen {
            stopped: stopped.map(|one| one.dispatcher.id).collect(),
            is_warden_stopped: self.is_warden_stopped,
            log_tail,
            own: Vec::new(),
        }
    }
}

pub fn case(label: &'static str, code: Code, situation: Situation) -> Case {
    Case {
        label,
        code,
        situation,
        is_stopped: false,
        is_warden_stopped: false,
    }
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// One object over another.
fn over(mut beneath: Value, above: Value) -> Value {
    if let (Value::Object(beneath), Value::Object(above)) = (&mut beneath, above) {
        beneath.extend(above);
    }
    beneath
}

/// Task 7, with what is special about it.
pub fn task(special: Value) -> TaskRow {
    let plain = json!({
        "id": 7, "title": "count the words", "status": "ready", "assignee": "counter",
        "priority": 0, "block_kind": null, "block_reason": null, "not_before": null,
        "current_run_id": null, "attempts": 0, "failures": 0, "violations": 0, "defers": 0,
        "benign": 0, "lost": 0, "name": null, "batch_id": null, "key": null, "body": "",
        "command": null, "cwd": "/", "env": {}, "skills": ["rust"], "requires": [], "limits": {},
        "created_at": "2026-11-23T11:00:00Z", "updated_at": "2026-11-23T11:30:00Z",
        "archived_at": null, "since": "2026-11-23T11:30:00Z", "queued_at": "2026-11-23T11:00:00Z",
        "limit_key": null, "limit": null, "paused_at": null, "blocks": 0, "created_by": "ada",
        "created_by_run": null, "recurrence": null, "series_id": null, "result": null
    });
    serde_json::from_value(over(plain, special)).unwrap()
}

/// Run 40 of task 7, attempt 2, with what is special about it.
pub fn run(special: Value) -> RunView {
    let limits = serde_json::to_value(tenure_store::life::Limits::default()).unwrap();
    let plain = json!({
        "run_id": 40, "task_id": 7, "attempt": 2, "status": "ended", "profile": "counter",
        "outcome": null, "reason": null, "exit": null, "seen": null, "ask": null, "ask_by": null,
        "ask_reason": null, "asked_at": null, "report": null, "reported_at": null,
        "heartbeat_at": null, "note": null, "pid": 4242, "warden_pid": 4241,
        "dispatcher_id": DISPATCHER, "limits": limits, "claimed_at": "2026-11-23T11:20:00Z",
        "started_at": "2026-11-23T11:20:00.030Z", "deadline_at": null,
        "lease_until": "2026-11-23T11:31:00Z", "ended_at": "2026-11-23T11:30:00Z",
        "log": "/var/lib/tenure/log", "socket": null, "tree_unverified": false
    });
    serde_json::from_value(over(plain, special)).unwrap()
}

/// A dispatcher that could take the task.
pub fn dispatcher() -> Serving {
    Serving {
        dispatcher: Dispatcher {
            id: DispatcherId(DISPATCHER.parse().unwrap()),
            process: ProcessId {
                host_id: "host".into(),
                boot_id: "boot".into(),
                pid_namespace: 1,
                pid: 99,
                start_ticks: 1,
                inode: 1,
            },
            host_name: "here".into(),
            socket: "/run/tenure".into(),
            version: "0.1.0".into(),
            knows: tenure_store::known_schema(),
            slots: 4,
            profiles: vec![PublishedProfile {
                name: "counter".into(),
                skills: vec!["rust".into()],
                ..PublishedProfile::default()
            }],
            labels: Vec::new(),
            batch: None,
            drain_at: None,
            held: Vec::new(),
        },
        runs: 1,
        newest: Some(at("2026-11-23T11:45:00Z")),
        started_at: at("2026-11-23T08:00:00Z"),
        quiet_since: None,
        seen_at: None,
    }
}

/// The task alone, under a dispatcher that could take it.
pub fn alone(special: Value) -> Situation {
    Situation {
        at: at(AT),
        task: task(special),
        parents: Vec::new(),
        stuck_above: Vec::new(),
        children: vec![TaskId(8)],
        runs: Vec::new(),
        events: Vec::new(),
        dispatchers: vec![dispatcher()],
        last_served: None,
        pauses: Vec::new(),
        running_of_profile: 0,
        running_with_profile: Vec::new(),
        running_of_key: 0,
        running_with_key: Vec::new(),
        place: None,
        beyond: None,
    }
}

/// The same with runs, newest first.
pub fn with_runs(special: Value, runs: Vec<RunView>) -> Situation {
    Situation {
        runs,
        ..alone(special)
    }
}
