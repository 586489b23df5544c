//! Claims: in order, within the caps, each with a lock of its own, by the index.

use std::collections::HashSet;
use std::time::Duration;

use tenure_store::claim::Offer;
use tenure_store::life::{LimitsLayer, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::task::{NewTask, NotBefore, SHELL, Work};
use tenure_store::{DispatcherId, StoreUrl};

use crate::world::{LEASE, World, exit, limited, offer, on_both, task};

on_both!(
    a_poll_finds_what_a_claim_would,
    higher_priority_comes_first_and_older_among_equals,
    only_what_is_offered_is_claimed,
    a_cap_counts_what_runs_over_the_whole_store,
    a_full_profile_does_not_hold_up_another,
    a_batch_is_claimed_alone,
    due_tasks_are_promoted_and_the_next_one_is_told,
    no_two_claims_share_a_lock,
    a_task_is_claimed_once_however_many_ask,
    limits_are_the_tasks_over_the_profiles_and_stay_as_claimed,
    a_claim_whose_answer_was_lost_is_found,
    what_a_worker_needs_comes_with_the_claim,
);

fn assigned(profile: &str, priority: i32) -> NewTask {
    NewTask {
        work: Work::Assignee(profile.into()),
        priority,
        ..task()
    }
}

fn capped(profile: &str, max_running: u32) -> Offer {
    Offer {
        max_running: Some(max_running),
        ..offer(profile)
    }
}

async fn higher_priority_comes_first_and_older_among_equals(world: World) {
    let mut ids = Vec::new();
    for (profile, priority) in [("a", 0), ("b", 5), ("a", 5), ("b", 0), ("a", -1)] {
        ids.push(world.add(assigned(profile, priority)).await);
    }
    let mut wanted = world.wanted(4);
    wanted.offers = vec![offer("b"), offer("a")];
    assert_eq!(
        world.claim_all(wanted).await,
        [ids[1], ids[2], ids[0], ids[3]]
    );
    assert_eq!(world.status(ids[4]).await, TaskStatus::Ready);
}

async fn only_what_is_offered_is_claimed(world: World) {
    world.add(assigned("other", 9)).await;
    let mine = world.add(task()).await;
    assert_eq!(world.claim_all(world.wanted(9)).await, [mine]);
    assert!(world.claim_all(world.wanted(0)).await.is_empty());
}

async fn a_cap_counts_what_runs_over_the_whole_store(world: World) {
    for _ in 0..4 {
        world.add(assigned("a", 0)).await;
    }
    let mut wanted = world.wanted(9);
    wanted.offers = vec![capped("a", 3)];
    wanted.room = 2;
    assert_eq!(world.claim_all(wanted.clone()).await.len(), 2);
    wanted.dispatcher = DispatcherId::random();
    wanted.room = 9;
    let third = world.store.claim(wanted.clone()).await.unwrap().claimed;
    assert_eq!(third.len(), 1);
    assert!(world.claim_all(wanted.clone()).await.is_empty());
    world.end(&third[0].tenure, exit(0)).await;
    assert_eq!(world.claim_all(wanted).await.len(), 1);
}

async fn a_full_profile_does_not_hold_up_another(world: World) {
    for _ in 0..3 {
        world.add(assigned("full", 9)).await;
    }
    let low = world.add(assigned("free", 0)).await;
    let mut wanted = world.wanted(2);
    wanted.offers = vec![capped("full", 0), offer("free")];
    assert_eq!(world.claim_all(wanted).await, [low]);
}

async fn a_batch_is_claimed_alone(world: World) {
    world.add(task()).await;
    let mine = world.store.submit("mine", vec![task()]).await.unwrap();
    world.store.submit("other", vec![task()]).await.unwrap();
    let mut wanted = world.wanted(9);
    wanted.batch = Some(mine.batch);
    assert_eq!(world.claim_all(wanted).await, [mine.tasks[0].id]);
}

async fn due_tasks_are_promoted_and_the_next_one_is_told(world: World) {
    let at = |seconds| NewTask {
        not_before: Some(NotBefore::In(Duration::from_secs(seconds))),
        ..task()
    };
    let soon = world.add(at(10)).await;
    world.add(at(25)).await;
    let now = world.add(at(0)).await;
    assert_eq!(world.status(now).await, TaskStatus::Ready);
    assert_eq!(world.status(soon).await, TaskStatus::Scheduled);
    let claims = world.store.claim(world.wanted(9)).await.unwrap();
    assert_eq!(claims.next_due, Some(Duration::from_secs(10)));
    world.clock.advance(Duration::from_secs(10));
    let claims = world.store.claim(world.wanted(9)).await.unwrap();
    assert_eq!(claims.claimed[0].tenure.task, soon);
    assert_eq!(claims.next_due, Some(Duration::from_secs(15)));
}

async fn a_poll_finds_what_a_claim_would(world: World) {
    let may_claim = async || world.store.may_claim().await.unwrap();
    assert!(!may_claim().await);
    let id = world
        .add(NewTask {
            not_before: Some(NotBefore::In(Duration::from_secs(10))),
            ..task()
        })
        .await;
    world.clock.advance(Duration::from_millis(9_999));
    assert!(!may_claim().await, "its time has not come");
    world.clock.advance(Duration::from_millis(1));
    assert!(may_claim().await);
    assert_eq!(world.claim_all(world.wanted(1)).await, [id]);
    assert!(!may_claim().await);
    world.add(task()).await;
    assert!(may_claim().await);
}

async fn no_two_claims_share_a_lock(world: World) {
    for _ in 0..20 {
        world.add(task()).await;
    }
    let claims = world.store.claim(world.wanted(20)).await.unwrap();
    let prefix = format!("{}:", world.dispatcher);
    let mut locks = HashSet::new();
    let mut last = 0;
    for claimed in claims.claimed {
        let lock = claimed.tenure.lock.expose().to_owned();
        assert!(lock.starts_with(&prefix), "{lock}");
        assert!(locks.insert(lock), "a lock came twice");
        assert!(claimed.tenure.run.0 > last, "a run id only rises");
        last = claimed.tenure.run.0;
    }
    assert_eq!(locks.len(), 20);
}

async fn a_task_is_claimed_once_however_many_ask(world: World) {
    for _ in 0..12 {
        world.add(task()).await;
    }
    let mut claimers = Vec::new();
    for _ in 0..4 {
        let store = world.another().await;
        let mut wanted = world.wanted(1);
        wanted.dispatcher = DispatcherId::random();
        claimers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let claims = store.claim(wanted.clone()).await.unwrap();
                match claims.claimed.first() {
                    Some(claimed) => mine.push(claimed.tenure.task),
                    None => return mine,
                }
            }
        }));
    }
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    all.sort_unstable();
    let count = all.len();
    all.dedup();
    assert_eq!((all.len(), count), (12, 12));
    let open = "SELECT count(*) FROM runs WHERE ended_at IS NULL";
    assert_eq!(world.number(open).await, 12);
}

async fn limits_are_the_tasks_over_the_profiles_and_stay_as_claimed(world: World) {
    let layer = |failures, defers| LimitsLayer {
        max_failures: failures,
        max_defers: defers,
        ..LimitsLayer::default()
    };
    world.add(limited(layer(Some(5), None))).await;
    let mut wanted = world.wanted(1);
    wanted.offers[0].limits = layer(Some(1), Some(2));
    let claimed = world.store.claim(wanted).await.unwrap().claimed.remove(0);
    let limits = &claimed.limits;
    assert_eq!(
        (limits.max_failures, limits.max_defers, limits.max_lost),
        (5, 2, 5)
    );
    assert_eq!(&world.run(claimed.tenure.run).await.limits, limits);
}

async fn a_claim_whose_answer_was_lost_is_found(world: World) {
    let started = world.running(task()).await;
    let lost = world.claimed(task()).await.tenure;
    let found = world.store.claimed_but_not_started(world.dispatcher).await;
    assert_eq!(found.unwrap(), std::slice::from_ref(&lost));
    world.start(&lost).await.unwrap();
    let found = world.store.claimed_but_not_started(world.dispatcher).await;
    assert!(found.unwrap().is_empty());
    world.end(&started, exit(0)).await;
}

async fn what_a_worker_needs_comes_with_the_claim(world: World) {
    let argv = vec!["echo".to_owned(), "a b".into(), "ü\"'".into()];
    let added = NewTask {
        body: "do it".into(),
        work: Work::Command(argv.clone()),
        cwd: "/tmp".into(),
        env: [("A".to_owned(), "1 2".to_owned())].into(),
        ..task()
    };
    let claimed = world.claimed(added.clone()).await;
    assert_eq!(claimed.command, Some(argv));
    assert_eq!((claimed.profile.as_str(), claimed.attempt), (SHELL, 1));
    assert_eq!((claimed.title, claimed.body), (added.title(), added.body));
    assert_eq!((claimed.cwd, claimed.env), (added.cwd, added.env));
    let run = world.run(claimed.tenure.run).await;
    assert_eq!(run.lease_until.duration_since(run.claimed_at).as_secs(), 60);
    assert_eq!(LEASE.as_secs(), 60);
    let cancel = world
        .store
        .wish(claimed.tenure.task, Wish::Cancel, "me".into(), None);
    cancel.await.unwrap();
}

/// How SQLite would carry out a statement of the store.
async fn plan(world: &World, name: &str) -> Vec<String> {
    use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
    let StoreUrl::Sqlite(path) = &world.url else {
        panic!("plans are SQLite's")
    };
    let statement = tenure_store::sql::ALL
        .iter()
        .find(|statement| statement.name == name)
        .unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .unwrap();
    let explain = format!("EXPLAIN QUERY PLAN {}", statement.sqlite);
    sqlx::query(AssertSqlSafe(explain))
        .fetch_all(&mut connection)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get("detail"))
        .collect()
}

/// Statements by name, each with the index that it must use.
const INDEXES: &[(&str, &str)] = &[
    ("candidates", "ready_by_lane"),
    ("lanes", "ready_by_lane"),
    ("lanes_of_batch", "ready_by_batch"),
    ("candidates_of_batch", "ready_by_batch"),
    ("running_of_profile", "tasks_by_assignee"),
    ("may_claim", "ready_by_lane"),
    ("may_claim", "scheduled_by_time"),
    ("unmet_parents", "links_by_child"),
    ("unmet_links", "links_by_child"),
    ("due", "scheduled_by_time"),
    ("going_on", "going_on"),
    ("next_due", "scheduled_by_time"),
    ("going_on", "going_on"),
    ("unstarted", "open_runs_by_dispatcher"),
    ("asks", "open_runs_by_dispatcher"),
    ("orphans", "open_runs_by_dispatcher"),
    ("events_of_task", "events_by_task"),
    ("newest_events_of_task", "events_by_task"),
    ("comments_of_task", "comments_by_task"),
    ("list", "tasks_by_status"),
    ("list_of_assignee", "tasks_by_assignee"),
    ("count", "tasks_by_status"),
    ("count_of_assignee", "tasks_by_assignee"),
    ("before_in_lane", "ready_by_lane"),
    ("by_profile", "tasks_by_assignee"),
    ("open_runs", "open_runs_by_dispatcher"),
    ("ready_longest", "ready_since"),
    ("running_with_key", "tasks_by_status"),
    ("running_with_profile", "tasks_by_assignee"),
    ("list_of_batch", "tasks_by_batch"),
    ("waits_for", "links_by_child"),
    ("troubled", "troubled"),
    ("blocked_long", "blocked_since"),
    ("ready_profiles", "ready_by_lane"),
    ("ready_in_lane", "ready_by_lane"),
    ("asks_in_lane", "ready_by_lane"),
    ("paused_tasks", "paused_tasks"),
    ("ended_parents", "links_by_child"),
    ("children_to_tell", "unmet_links"),
    ("hold_children", "unmet_links"),
    ("descendants", "unmet_links"),
    ("waiting_in_series", "unmet_links"),
    ("residue", "tasks_by_run"),
    ("unverified", "unverified_runs"),
    ("overdue", "scheduled_by_time"),
];

#[tokio::test]
async fn nothing_that_is_done_for_every_event_scans_or_sorts() {
    let world = World::sqlite().await;
    let mut slow = Vec::new();
    for (name, index) in INDEXES {
        let plan = plan(&world, name).await;
        if !plan.iter().any(|step| step.contains(index)) {
            slow.push((*name, plan));
        }
    }
    // Each of these works on what is small, or once, or up to a bound. A foreign key's children are looked for after
    // an insert only where one is violated.
    let small = [
        "add_batch",
        "add_events",
        "add_tasks",
        "belongs",
        "children_to_tell",
        "claim_run",
        "clear_dispatchers",
        "ended_lately",
        "events_of_batch",
        "gc_dispatchers",
        "gc_events_page",
        "last_dispatcher",
        "living",
        "lock_schema",
        "meta",
        "now",
        "outlook",
        "paused_tasks",
        "pauses",
        "ready_longest",
        "retire_all",
        "running_by_key",
        "set_meta",
        "shut_out",
        "shut_out_of_old",
        "troubled",
        "unverified",
        "tallies",
        "versions",
    ];
    for statement in tenure_store::sql::ALL {
        let plan = plan(&world, statement.name).await;
        let scans = plan.iter().any(|step| {
            step.contains("TEMP B-TREE")
                || (step.starts_with("SCAN")
                    && ![
                        "CONSTANT ROW",
                        "VIRTUAL TABLE",
                        "SCAN lanes",
                        "SCAN waiting",
                        "SCAN above",
                        "SCAN looked_at",
                        "SCAN profiles",
                        "SCAN counted",
                        "SCAN before",
                        "SCAN below",
                        "SCAN due",
                    ]
                    .iter()
                    .any(|small| step.contains(small)))
        });
        if scans && !small.contains(&statement.name) {
            slow.push((statement.name, plan));
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}
