//! The rules without a store or a process: facts in, findings out.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tenure_guard::{BlockKind, Reason, RunId, TaskId};
use tenure_store::dispatcher::{Dispatcher, PublishedProfile};
use tenure_store::held::Held;
use tenure_store::life::{Outcome, Streaks, TaskStatus};
use tenure_store::process::ProcessId;
use tenure_store::read::{Departure, LastServed, Pause, Serving};
use tenure_store::suspects::{
    Blocked, Deserted, EndedRun, Freed, PausedTask, Suspects, Troubled, Unverified, Waiting,
    WantedProfile,
};
use tenure_store::{BatchId, DispatcherId};

use super::*;
use crate::caller::Caller;

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

fn dispatcher() -> Serving {
    Serving {
        dispatcher: Dispatcher {
            id: DispatcherId::random(),
            process: ProcessId {
                host_id: "here".into(),
                boot_id: "boot".into(),
                pid_namespace: 1,
                pid: 4242,
                start_ticks: 2,
                inode: 3,
            },
            host_name: "name".into(),
            socket: "/run/tenure.sock".into(),
            version: "0.1.0".into(),
            knows: tenure_store::known_schema(),
            slots: 4,
            profiles: vec![PublishedProfile {
                name: "reviewer".into(),
                skills: vec!["rust".into()],
                max_running: Some(2),
                ..PublishedProfile::default()
            }],
            labels: Vec::new(),
            batch: None,
            drain_at: None,
            held: Vec::new(),
        },
        runs: 0,
        newest: None,
        started_at: ago(Duration::from_hours(9)),
        quiet_since: None,
        seen_at: None,
    }
}

/// A store in which nothing is wrong, with these dispatchers.
fn facts(serving: Vec<Serving>) -> Facts {
    let published = dispatcher().dispatcher.profiles;
    Facts {
        suspects: Suspects {
            now: NOW,
            troubled: Vec::new(),
            blocked: Vec::new(),
            lanes: Vec::new(),
            overdue: None,
            paused: Vec::new(),
            wanted: Vec::new(),
            deserted: Vec::new(),
            residue: Vec::new(),
            unverified: Vec::new(),
            pauses: Vec::new(),
            freed: Vec::new(),
            resumed_at: None,
            running_of: BTreeMap::new(),
            running_with: BTreeMap::new(),
            cut: Vec::new(),
        },
        around: Arc::new(Surroundings {
            serving,
            last_served: None,
            stopped: HashSet::new(),
            offered: tenure_store::offered::Offered::new(published, &[], "a living dispatcher"),
            runs: Vec::new(),
            left: Vec::new(),
            caller: Caller::default(),
            here: Some(Here {
                host: "here".into(),
                boot: "boot".into(),
            }),
        }),
    }
}

impl Facts {
    fn around_mut(&mut self) -> &mut Surroundings {
        Arc::get_mut(&mut self.around).unwrap()
    }
}

fn ago(time: Duration) -> Timestamp {
    NOW - time
}

fn lane() -> Waiting {
    Waiting {
        profile: "reviewer".into(),
        skills: Vec::new(),
        requires: Vec::new(),
        limit_key: None,
        limit: None,
        first: TaskId(7),
        batch: None,
        number: 1,
        since: ago(Duration::from_secs(1)),
        changed_at: ago(Duration::from_hours(9)),
        beyond: None,
    }
}

fn troubled(streaks: Streaks) -> Troubled {
    Troubled {
        task: TaskId(7),
        status: TaskStatus::Ready,
        profile: "reviewer".into(),
        not_before: None,
        streaks,
        newest: Some(EndedRun {
            run: RunId(3),
            outcome: Outcome::Failed.into(),
            reason: "exit 1".into(),
            stood_down: None,
        }),
        crashes: 0,
        waits: 0,
    }
}

/// The rules that fire, each with the command that mends it.
#[track_caller]
fn fires(facts: &Facts, expected: &[(&str, Option<&str>)]) {
    let findings = judge(facts);
    let found: Vec<_> = findings
        .iter()
        .map(|one| (one.rule.name(), one.mend.as_deref()))
        .collect();
    assert_eq!(found, expected, "{findings:#?}");
}

#[test]
fn where_nothing_is_wrong_no_rule_fires() {
    let mut fresh = facts(vec![dispatcher()]);
    fresh.suspects.lanes = vec![lane()];
    fresh.suspects.wanted = vec![WantedProfile {
        name: "reviewer".into(),
        first: TaskId(7),
    }];
    fires(&fresh, &[]);
}

#[test]
fn what_is_held_by_design_is_said_to_be_and_never_stranded() {
    let mut held = facts(vec![dispatcher()]);
    let old = Waiting {
        since: ago(Duration::from_hours(3)),
        ..lane()
    };
    held.suspects.lanes = vec![old.clone()];
    fires(&held, &[("stranded_in_ready", Some("kill -HUP 4242"))]);

    held.suspects.running_of = BTreeMap::from([("reviewer".to_owned(), 2)]);
    fires(&held, &[("held_back", None)]);

    held.suspects.running_of.clear();
    held.suspects.running_with = BTreeMap::from([("repo:x".to_owned(), 1)]);
    held.suspects.lanes = vec![Waiting {
        limit_key: Some("repo:x".into()),
        limit: Some(1),
        ..old.clone()
    }];
    fires(&held, &[("held_back", None)]);

    held.suspects.lanes = vec![old];
    held.suspects.pauses = vec![Pause {
        profile: Some("reviewer".into()),
        by: "me".into(),
        reason: None,
        since: NOW,
    }];
    fires(
        &held,
        &[("held_back", Some("tenure resume --profile reviewer"))],
    );
}

#[test]
fn a_dispatcher_that_is_full_drains_or_cannot_start_a_profile_strands_nothing() {
    let old = Waiting {
        since: ago(Duration::from_hours(3)),
        ..lane()
    };
    let with = |change: fn(&mut Serving)| {
        let mut serving = dispatcher();
        change(&mut serving);
        let mut facts = facts(vec![serving]);
        facts.suspects.lanes = vec![old.clone()];
        facts
    };
    fires(&with(|one| one.runs = 4), &[("held_back", None)]);
    fires(
        &with(|one| one.dispatcher.drain_at = Some(NOW)),
        &[("held_back", None)],
    );
    let held = |until| Held {
        profile: "reviewer".into(),
        why: "no such file".into(),
        since: NOW,
        until,
    };
    let cannot = with(|one| {
        one.dispatcher.held = vec![Held {
            profile: "reviewer".into(),
            why: "no such file".into(),
            since: NOW,
            until: NOW + Duration::from_secs(1),
        }];
    });
    fires(&cannot, &[("held_back", None)]);
    let mut again = with(|_| ());
    again.suspects.lanes = vec![old];
    let serving = &mut again.around_mut().serving[0];
    serving.dispatcher.held = vec![held(ago(Duration::from_mins(2)))];
    fires(&again, &[("stranded_in_ready", Some("kill -HUP 4242"))]);
    // Here the pid may be anybody's.
    again.around_mut().serving[0].dispatcher.process.host_id = "there".into();
    fires(&again, &[("stranded_in_ready", None)]);
}

#[test]
fn a_dispatcher_that_is_stopped_or_gives_no_sign_of_life_is_named_at_once() {
    let mut idle = facts(vec![dispatcher()]);
    idle.suspects.lanes = vec![lane()];
    let id = idle.serving[0].dispatcher.id;
    idle.around_mut().stopped.insert(id);
    fires(&idle, &[("stranded_in_ready", Some("kill -CONT 4242"))]);
    // Another one could take it.
    idle.around_mut().serving.push(dispatcher());
    fires(&idle, &[]);
    let around = idle.around_mut();
    around.serving.remove(0);
    around.serving[0].quiet_since = Some(NOW);
    fires(&idle, &[("no_dispatcher", Some("tenure serve"))]);
}

#[test]
fn what_only_a_newer_dispatcher_knows_is_named_until_one_lives() {
    let mut facts = facts(vec![dispatcher()]);
    facts.suspects.lanes = vec![Waiting {
        beyond: Some("limits: unknown field `max_cost`".into()),
        since: ago(Duration::from_hours(3)),
        ..lane()
    }];
    fires(&facts, &[("beyond_dispatchers", None)]);
    let mut newer = dispatcher();
    newer.dispatcher.knows += 1;
    newer.runs = 4;
    facts.around_mut().serving.push(newer);
    fires(&facts, &[("held_back", None)]);
    facts.around_mut().serving[1].runs = 0;
    fires(&facts, &[("stranded_in_ready", Some("kill -HUP 4242"))]);
}

#[test]
fn a_lane_that_just_got_room_is_not_stranded() {
    let long = Duration::from_hours(3);
    let lane = |changed_at| Waiting {
        since: ago(long),
        changed_at,
        limit_key: Some("repo:x".into()),
        limit: Some(1),
        ..lane()
    };
    let mut facts = facts(vec![dispatcher()]);
    let id = facts.serving[0].dispatcher.id;
    let stranded = [("stranded_in_ready", Some("kill -HUP 4242"))];
    facts.suspects.lanes = vec![lane(ago(long))];
    fires(&facts, &stranded);
    let other = DispatcherId::random();
    for (dispatcher, profile, key, is_room) in [
        (other, "another", "repo:y", false),
        (id, "another", "repo:y", true),
        (other, "reviewer", "repo:y", true),
        (other, "another", "repo:x", true),
    ] {
        facts.suspects.freed = vec![Freed {
            dispatcher,
            profile: profile.into(),
            limit_key: Some(key.into()),
        }];
        fires(&facts, if is_room { &[] } else { &stranded });
    }
    facts.suspects.freed.clear();
    facts.suspects.lanes = vec![lane(NOW)];
    fires(&facts, &[]);
    facts.suspects.lanes = vec![lane(ago(long))];
    facts.suspects.resumed_at = Some(NOW);
    fires(&facts, &[]);
    facts.suspects.resumed_at = None;
    facts.around_mut().serving[0].started_at = NOW;
    fires(&facts, &[]);
    // One that had room all the time should have taken it.
    facts.around_mut().serving.push(dispatcher());
    fires(&facts, &stranded);
}

#[test]
fn caps_that_differ_hold_what_none_of_them_allows() {
    let mut full = facts(vec![dispatcher(), dispatcher()]);
    full.suspects.lanes = vec![lane()];
    full.suspects.running_of = BTreeMap::from([("reviewer".to_owned(), 2)]);
    full.around_mut().serving[1].dispatcher.profiles[0].max_running = Some(3);
    fires(&full, &[]);
    full.around_mut().serving[1].runs = 4;
    fires(&full, &[("held_back", None)]);
}

#[test]
fn what_nobody_can_do_is_told_from_what_nobody_serves() {
    let mut odd = facts(Vec::new());
    odd.suspects.lanes = vec![lane()];
    fires(&odd, &[("no_dispatcher", Some("tenure serve"))]);
    let nobody = ("no_dispatcher", Some("tenure serve"));
    odd.suspects.lanes[0].skills = vec!["cobol".into()];
    // On the word of one configuration alone nothing is thrown away.
    fires(&odd, &[nobody, ("invalid_task_skills", None)]);
    let told = judge(&odd);
    let told = told.last().unwrap();
    assert!(told.evidence.contains("judge again"), "{told:#?}");
    assert_eq!(told.facts["sure"], false);
    odd.suspects.lanes[0].profile = "revewer".into();
    fires(&odd, &[nobody]);
    let wanted = |name: &str| WantedProfile {
        name: name.into(),
        first: TaskId(7),
    };
    odd.suspects.wanted = vec![wanted("revewer")];
    let rule = "assignee_profile_not_found";
    fires(&odd, &[nobody, (rule, Some("tenure reassign 7 reviewer"))]);
    odd.suspects.wanted = vec![wanted("cook")];
    fires(&odd, &[nobody, (rule, None)]);
    odd.around_mut().serving = vec![dispatcher()];
    fires(&odd, &[(rule, Some("tenure cancel 7"))]);
    odd.suspects.lanes[0].profile = "reviewer".into();
    odd.suspects.wanted.clear();
    let skills = ("invalid_task_skills", Some("tenure edit 7 --clear-skills"));
    fires(&odd, &[skills]);
    assert_eq!(judge(&odd)[0].facts["sure"], true);
    odd.suspects.lanes[0].skills.clear();
    odd.suspects.lanes[0].requires = vec!["gpu".into()];
    let labels = (
        "invalid_task_skills",
        Some("tenure edit 7 --clear-requires"),
    );
    fires(&odd, &[labels]);
    odd.suspects.lanes[0].requires.clear();
    odd.around_mut().serving[0].dispatcher.profiles[0].requires = vec!["gpu".into()];
    fires(&odd, &[("invalid_task_skills", None)]);
    odd.around_mut().serving[0].dispatcher.labels = vec!["gpu".into()];
    fires(&odd, &[]);
}

#[test]
fn that_nobody_dispatches_says_who_did_last_and_since_when_it_is_gone() {
    let mut unserved = facts(Vec::new());
    unserved.suspects.lanes = vec![lane()];
    let told = |facts: &Facts| {
        let mut found = judge(facts);
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0)
    };
    assert_eq!(
        told(&unserved).evidence,
        "1 ready and 0 due tasks, and no dispatcher serves this store, and none ever did"
    );
    let since = ago(Duration::from_mins(5));
    let Serving {
        dispatcher: last,
        started_at,
        ..
    } = dispatcher();
    unserved.around_mut().last_served = Some(LastServed {
        dispatcher: last,
        started_at,
        departure: Departure::SignedOff(since),
    });
    let stopped = told(&unserved);
    let words = "(pid 4242 on name, started 2026-09-21T05:13:20Z) was stopped (5m ago)";
    assert!(stopped.evidence.ends_with(words), "{stopped:#?}");
    assert_eq!(stopped.facts["since"], since.to_string());
    // Whoever serves a batch of its own is no such dispatcher, and lives.
    let mut apart = dispatcher();
    apart.dispatcher.batch = Some(BatchId(2));
    unserved.around_mut().serving = vec![apart];
    let apart = told(&unserved);
    assert!(apart.evidence.contains("all of this store"), "{apart:#?}");
    assert_eq!(apart.facts["since"], serde_json::Value::Null);
}

#[test]
fn bad_ends_in_a_row_are_one_matter_each() {
    let mut bad = facts(vec![dispatcher()]);
    let failures = Streaks {
        failures: 2,
        ..Streaks::default()
    };
    let mend = Some("tenure edit 7 --reset-failures");
    bad.suspects.troubled = vec![troubled(failures)];
    fires(&bad, &[("repeated_failures", mend)]);
    bad.suspects.troubled[0].crashes = 2;
    fires(&bad, &[("repeated_crashes", mend)]);
    bad.suspects.troubled[0].status = TaskStatus::Running;
    fires(&bad, &[]);
    bad.suspects.troubled = vec![troubled(Streaks {
        failures: 1,
        violations: 1,
        ..Streaks::default()
    })];
    fires(&bad, &[("protocol_violations", mend)]);
    bad.suspects.troubled = vec![Troubled {
        status: TaskStatus::Blocked,
        ..troubled(Streaks {
            blocks: 2,
            ..Streaks::default()
        })
    }];
    fires(&bad, &[("block_unblock_cycling", Some("tenure retry 7"))]);
    bad.suspects.troubled[0].waits = 1;
    fires(&bad, &[]);
    bad.suspects.troubled[0].streaks.blocks = 0;
    if let Some(newest) = &mut bad.suspects.troubled[0].newest {
        newest.stood_down = Some(Reason::MissingClaimLock);
    }
    fires(&bad, &[("worker_env_malformed", Some("tenure retry 7"))]);
}

#[test]
fn what_waits_for_people_names_the_way_out() {
    let mut waits = facts(vec![dispatcher()]);
    let blocked = |kind| Blocked {
        task: TaskId(7),
        kind,
        reason: "which?".into(),
        since: ago(Duration::from_hours(25)),
    };
    let rule = "stuck_in_blocked";
    waits.suspects.blocked = vec![blocked(BlockKind::NeedsInput)];
    fires(&waits, &[(rule, Some("tenure unblock 7"))]);
    waits.suspects.blocked = vec![blocked(BlockKind::GaveUp)];
    fires(&waits, &[(rule, Some("tenure retry 7"))]);
    waits.suspects.blocked.clear();
    waits.suspects.paused = vec![PausedTask {
        task: TaskId(7),
        status: TaskStatus::Ready,
        since: NOW,
    }];
    fires(&waits, &[("held_back", Some("tenure resume 7"))]);
}

#[test]
fn no_other_parent_is_waived_for_the_sake_of_one_that_ended() {
    let mut waits = facts(vec![dispatcher()]);
    let deserted = |others| Deserted {
        task: TaskId(7),
        parent: TaskId(3),
        parent_title: "fetch".into(),
        parent_status: TaskStatus::Cancelled,
        others,
    };
    let rule = "waits_for_ended_parent";
    waits.suspects.deserted = vec![deserted(0)];
    fires(&waits, &[(rule, Some("tenure promote 7 --force"))]);
    waits.suspects.deserted = vec![deserted(1)];
    fires(&waits, &[(rule, Some("tenure retry 3"))]);
}

#[test]
fn an_unverified_tree_is_a_matter_until_its_boot_is_over_or_its_task_has_moved_on() {
    let mut left = facts(vec![dispatcher()]);
    let unverified = |boot: &str, has_moved_on| Unverified {
        run: RunId(3),
        task: TaskId(7),
        host: Some(("here".into(), boot.into())),
        warden: Some(99),
        ended_at: NOW,
        has_moved_on,
    };
    left.suspects.unverified = vec![unverified("boot", false)];
    let mend = "tenure comment 7 'run 3: looked, nothing of it is left'";
    fires(&left, &[("tree_unverified", Some(mend))]);
    left.suspects.unverified = vec![unverified("boot", true), unverified("earlier", false)];
    fires(&left, &[]);
}

#[test]
fn the_readme_lists_every_rule_with_its_severity_and_when_it_fires() {
    let readme = include_str!("../../../../README.md");
    for rule in RULES {
        let row = format!(
            "| `{}` | {} | {} |",
            rule.id.name(),
            rule.severity.name(),
            rule.condition
        );
        assert!(readme.contains(&row), "the README lacks {row}");
        assert_eq!(
            serde_json::to_value(rule.id).unwrap(),
            serde_json::Value::from(rule.id.name())
        );
    }
}
