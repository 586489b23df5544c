//! What decides why a task stands where it stands, and how the store as a whole is doing.

use std::time::Duration;

use tenure_guard::{BlockKind, TaskId};
use tenure_store::life::{LimitsLayer, LinkKind, Outcome, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::read::{CalledOff, Counted, TaskFilter, Unfinished, WaitedFor};
use tenure_store::task::{KeyLimit, NewTask, Work};

use crate::world::{World, after, exit, on_both, task};

on_both!(
    a_situation_names_what_a_task_waits_for,
    what_is_stuck_above_a_task_says_why_and_who_called_it_off,
    a_ready_task_knows_its_place,
    a_task_knows_who_runs_with_its_limit_key,
    the_newest_runs_are_read_and_no_more,
    ends_are_counted_by_day_profile_and_outcome,
    what_is_unfinished_is_counted_by_status_and_profile,
    how_many_more_is_counted_up_to_a_bound,
);

async fn a_situation_names_what_a_task_waits_for(world: World) {
    let parent = world.add(task()).await;
    let child = world.add(after(&[parent])).await;
    let situation = world.store.situation(child).await.unwrap();
    assert_eq!(situation.at.as_millisecond(), world.now());
    assert_eq!(situation.parents.len(), 1);
    let waited_for = &situation.parents[0];
    assert_eq!(
        (waited_for.id, waited_for.status),
        (parent, TaskStatus::Ready)
    );
    assert_eq!(waited_for.kind, LinkKind::Success);
    assert!(situation.place.is_none() && situation.runs.is_empty());
    assert!(situation.stuck_above.is_empty());
    let situation = world.store.situation(parent).await.unwrap();
    assert_eq!(situation.children, [child]);
    assert!(situation.dispatchers.is_empty() && situation.pauses.is_empty());
    world.store.situation(TaskId(99)).await.unwrap_err();

    let grandchild = world.add(after(&[child])).await;
    let stop = Wish::Block {
        kind: BlockKind::Operator,
    };
    let blocked = world
        .store
        .wish(parent, stop, "me".into(), Some("not now".into()));
    blocked.await.unwrap();
    let stuck = async |id| {
        let situation = world.store.situation(id).await.unwrap();
        let ids: Vec<TaskId> = situation.stuck_above.iter().map(|stuck| stuck.id).collect();
        ids
    };
    assert_eq!(stuck(grandchild).await, [parent]);
    // A parent is told as such.
    assert_eq!(stuck(child).await, []);
}

async fn what_is_stuck_above_a_task_says_why_and_who_called_it_off(world: World) {
    let wish = async |task, wish, by: &str, reason: &str| {
        let wish = world.store.wish(task, wish, by.into(), Some(reason.into()));
        wish.await.unwrap();
    };
    let off = |by: &str, reason: &str| {
        Some(CalledOff {
            by: by.into(),
            reason: Some(reason.into()),
        })
    };
    let running = world.running(task()).await;
    wish(running.task, Wish::Cancel, "ada", "too slow").await;
    world.clock.advance(Duration::from_secs(1));
    world.end(&running, exit(1)).await;
    let [cancelled, put_away, blocked] = [
        world.add(task()).await,
        world.add(task()).await,
        world.add(task()).await,
    ];
    wish(cancelled, Wish::Cancel, "ada", "not needed").await;
    wish(put_away, Wish::Archive, "bob", "old").await;
    let block = Wish::Block {
        kind: BlockKind::Operator,
    };
    wish(blocked, block, "ada", "not now").await;
    world.clock.advance(Duration::from_secs(1));
    // What is over already is only put away.
    wish(running.task, Wish::Archive, "bob", "old").await;
    wish(cancelled, Wish::Archive, "bob", "old").await;

    let parents = [running.task, cancelled, put_away, blocked];
    let child = world.add(after(&parents)).await;
    let grandchild = world.add(after(&[child])).await;
    let expected = [
        (running.task, None, off("ada", "too slow")),
        (cancelled, None, off("ada", "not needed")),
        (put_away, None, off("bob", "old")),
        (blocked, Some("not now".to_owned()), None),
    ];
    let told = |above: Vec<WaitedFor>| {
        let told = above.into_iter();
        let told = told.map(|one| (one.id, one.block_reason, one.called_off));
        told.collect::<Vec<_>>()
    };
    let situation = world.store.situation(child).await.unwrap();
    assert_eq!(told(situation.parents), expected);
    let situation = world.store.situation(grandchild).await.unwrap();
    assert_eq!(told(situation.stuck_above), expected);
}

async fn a_ready_task_knows_its_place(world: World) {
    let of = |skills: &[&str], priority: i32| NewTask {
        work: Work::Assignee("counter".into()),
        skills: skills.iter().map(ToString::to_string).collect(),
        priority,
        ..NewTask::new(Work::Assignee("counter".into()), "/".into())
    };
    let first = world.add(of(&[], 0)).await;
    world.add(of(&["rust"], 0)).await;
    let second = world.add(of(&[], 0)).await;
    let urgent = world.add(of(&[], 1)).await;
    world.add(task()).await;
    let place = async |id| {
        let place = world.store.situation(id).await.unwrap().place.unwrap();
        (place.before_in_lane.number, place.before_in_profile.number)
    };
    assert_eq!(place(urgent).await, (0, 0));
    assert_eq!(place(first).await, (1, 1));
    assert_eq!(place(second).await, (2, 3));
    // An hour of waiting is worth a point.
    world.clock.advance(Duration::from_mins(61));
    let late = world.add(of(&[], 1)).await;
    assert_eq!(place(late).await, (3, 4));
}

async fn a_task_knows_who_runs_with_its_limit_key(world: World) {
    let keyed = || NewTask {
        limit_key: Some(KeyLimit {
            key: "repo:x".into(),
            limit: 1,
        }),
        ..task()
    };
    let running = world.running(keyed()).await;
    world.running(task()).await;
    let waiting = world.add(keyed()).await;
    let situation = world.store.situation(waiting).await.unwrap();
    let holders: Vec<TaskId> = situation
        .running_with_key
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(holders, [running.task]);
    assert_eq!(situation.running_of_profile, 2);
    assert_eq!(situation.running_with_profile.len(), 2);
    assert_eq!(situation.running_of_key, 1);
}

async fn the_newest_runs_are_read_and_no_more(world: World) {
    let limits = LimitsLayer {
        max_failures: Some(100),
        ..LimitsLayer::default()
    };
    let id = world.add(NewTask { limits, ..task() }).await;
    for _ in 0..25 {
        world.run_to(exit(7)).await;
        world.clock.advance(Duration::from_hours(1));
    }
    let situation = world.store.situation(id).await.unwrap();
    assert_eq!((situation.runs.len(), situation.runs[0].attempt), (20, 25));
    assert!(situation.runs[0].seen.is_some());
}

async fn ends_are_counted_by_day_profile_and_outcome(world: World) {
    for _ in 0..2 {
        let tenure = world.running(task()).await;
        world.clock.advance(Duration::from_secs(3));
        world.end(&tenure, exit(0)).await;
    }
    let tenure = world.running(task()).await;
    world.clock.advance(Duration::from_secs(2));
    world.end(&tenure, exit(7)).await;
    // Closing it again counts nothing.
    world.end(&tenure, exit(8)).await;
    let ends = world.store.stats().await.unwrap().ends;
    let told: Vec<_> = ends
        .iter()
        .map(|tally| {
            (
                tally.profile.as_str(),
                tally.outcome.known().copied().unwrap(),
                tally.runs,
                tally.mean_ms,
            )
        })
        .collect();
    let expected = [
        ("shell", Outcome::Completed, 2, 3000),
        ("shell", Outcome::Failed, 1, 2000),
    ];
    assert_eq!(told, expected);
    world.clock.advance(Duration::from_hours(6 * 24));
    assert_eq!(world.store.stats().await.unwrap().ends.len(), 2);
    world.clock.advance(Duration::from_hours(24));
    assert!(world.store.stats().await.unwrap().ends.is_empty());
}

async fn what_is_unfinished_is_counted_by_status_and_profile(world: World) {
    let done = world.running(task()).await;
    world.end(&done, exit(0)).await;
    world.running(task()).await;
    let parent = world.add(task()).await;
    world.add(after(&[parent])).await;
    let of_profile = NewTask::new(Work::Assignee("counter".into()), "/".into());
    world.clock.advance(Duration::from_secs(5));
    world.add(of_profile).await;
    let stats = world.store.stats().await.unwrap();
    let expected = Unfinished {
        todo: 1,
        ready: 2,
        running: 1,
        ..Unfinished::default()
    };
    assert_eq!(stats.unfinished, expected);
    let profiles: Vec<_> = stats
        .profiles
        .iter()
        .map(|one| (one.profile.as_str(), one.ready, one.running, one.blocked))
        .collect();
    assert_eq!(profiles, [("counter", 1, 0, 0), ("shell", 1, 1, 0)]);
    let since = stats.profiles[0]
        .ready_since
        .map(jiff::Timestamp::as_millisecond);
    assert_eq!(since, Some(world.now()));
}

async fn how_many_more_is_counted_up_to_a_bound(world: World) {
    world
        .number(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050)
             INSERT INTO tasks (title, body, assignee, command, cwd, env, skills, limits, priority,
                                status, pending_parents, created_at, updated_at)
             SELECT 'old', '', 'shell', '[\"true\"]', '/', '{}', '[]', '{}', 0, 'done', 0, 0, 0
             FROM n RETURNING id",
        )
        .await;
    for assignee in [None, Some("shell".to_owned())] {
        let filter = TaskFilter {
            all: true,
            limit: Some(50),
            assignee,
            ..TaskFilter::default()
        };
        let page = world.store.list(&filter).await.unwrap();
        let more = Counted {
            number: 9_950,
            at_least: true,
        };
        assert_eq!((page.rows.len(), page.more), (50, more));
    }
}
