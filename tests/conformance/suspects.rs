//! What looks wrong is found, on both databases, and what ended well is not looked at.

use std::time::Duration;

use tenure_guard::{BlockKind, Report, TaskId};
use tenure_store::life::{End, Exit, LimitsLayer, LinkKind};
use tenure_store::pause::Pausable;
use tenure_store::person::Wish;
use tenure_store::suspects::{LATELY, MOST_LINKS, Scope, Suspects};
use tenure_store::task::{KeyLimit, NewTask, NotBefore, Work};

use crate::world::{World, after, exit, exited, limited, on_both, report_id, reporting, task};

on_both!(
    where_all_is_well_nothing_is_suspect,
    a_streak_is_a_suspect_with_the_ends_of_its_newest_runs,
    what_is_ready_is_one_suspect_a_lane,
    a_task_is_blocked_for_long_until_somebody_speaks_of_it,
    a_run_whose_tree_is_unverified_is_a_suspect_until_somebody_speaks_of_its_task,
    a_child_of_a_cancelled_parent_is_deserted,
    links_of_what_is_over_hide_no_deserted_child,
    one_task_is_looked_at_alone,
    what_waits_for_another_parent_too_says_so,
    a_wait_for_another_task_is_told_from_a_block,
    what_gave_room_lately_is_told_while_something_waits,
);

const DAY: Duration = Duration::from_hours(24);

async fn suspects(world: &World) -> Suspects {
    world.store.suspects(Scope::Store, DAY).await.unwrap()
}

async fn where_all_is_well_nothing_is_suspect(world: World) {
    let done = world.add(task()).await;
    world.run_to(exit(0)).await;
    world.running(task()).await;
    for scope in [Scope::Store, Scope::Task(done)] {
        let found = world.store.suspects(scope, DAY).await.unwrap();
        assert!(
            found.troubled.is_empty() && found.blocked.is_empty(),
            "{found:?}"
        );
        assert!(
            found.lanes.is_empty() && found.wanted.is_empty(),
            "{found:?}"
        );
        assert!(
            found.residue.is_empty() && found.unverified.is_empty(),
            "{found:?}"
        );
        assert!(
            found.deserted.is_empty() && found.paused.is_empty(),
            "{found:?}"
        );
        assert!(found.pauses.is_empty() && found.cut.is_empty(), "{found:?}");
        assert_eq!(found.overdue, None);
    }
}

async fn a_streak_is_a_suspect_with_the_ends_of_its_newest_runs(world: World) {
    let limits = LimitsLayer {
        max_failures: Some(10),
        ..LimitsLayer::default()
    };
    let id = world.add(limited(limits)).await;
    for end in [exit(1), exited(Exit::Signal(11)), exited(Exit::Signal(11))] {
        world.run_to(end).await;
        world.clock.advance(DAY);
    }
    let found = suspects(&world).await.troubled;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].task, found[0].streaks.failures), (id, 3));
    assert_eq!(found[0].crashes, 2);
    let newest = found[0].newest.as_ref().unwrap();
    assert_eq!(newest.reason, "killed by signal 11");
    // While the next one runs, the newest that has ended still counts.
    let open = world.running_again().await;
    let found = suspects(&world).await.troubled;
    assert_eq!(found[0].crashes, 2);
    assert_eq!(found[0].newest.as_ref().unwrap().run, newest.run);
    world.end(&open, exit(0)).await;
    assert!(suspects(&world).await.troubled.is_empty());
}

async fn what_is_ready_is_one_suspect_a_lane(world: World) {
    let skilled = |skill: &str, priority| NewTask {
        skills: vec![skill.into()],
        priority,
        ..NewTask::new(Work::Assignee("reviewer".into()), "/".into())
    };
    let first = world.add(skilled("rust", 0)).await;
    world.clock.advance(Duration::from_mins(1));
    let urgent = world.add(skilled("rust", 5)).await;
    world.add(skilled("go", 0)).await;
    world.add(task()).await;
    let later = NewTask {
        not_before: Some(NotBefore::In(Duration::from_mins(5))),
        ..task()
    };
    let later = world.add(later).await;
    let found = suspects(&world).await;
    let lanes = &found.lanes;
    assert_eq!(lanes.len(), 3, "{lanes:?}");
    let rust = lanes.iter().find(|lane| lane.skills == ["rust"]).unwrap();
    assert_eq!((rust.first, rust.number), (urgent, 2));
    // The longest wait is not that of whoever starts first.
    assert_eq!(rust.since, world.task(first).await.since);
    let names: Vec<&str> = found.wanted.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["reviewer", "shell"]);
    assert_eq!(found.overdue, None);
    world.clock.advance(Duration::from_mins(5));
    assert_eq!(suspects(&world).await.overdue, Some((1, later)));
}

async fn a_task_is_blocked_for_long_until_somebody_speaks_of_it(world: World) {
    let id = world.add(task()).await;
    let block = Wish::Block {
        kind: BlockKind::NeedsInput,
    };
    let why = Some("which?".to_owned());
    world.store.wish(id, block, "me".into(), why).await.unwrap();
    assert!(suspects(&world).await.blocked.is_empty());
    world.clock.advance(DAY + Duration::from_secs(1));
    let found = suspects(&world).await.blocked;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].task, found[0].kind), (id, BlockKind::NeedsInput));
    world
        .store
        .comment(id, "me".into(), "I asked".into())
        .await
        .unwrap();
    assert!(suspects(&world).await.blocked.is_empty());
    world.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(suspects(&world).await.blocked.len(), 1);
}

async fn a_run_whose_tree_is_unverified_is_a_suspect_until_somebody_speaks_of_its_task(
    world: World,
) {
    let tenure = world.running(task()).await;
    let unseen = End::Unseen {
        reason: "the warden was killed".into(),
        tree_unverified: true,
    };
    world.end(&tenure, unseen).await;
    let found = suspects(&world).await.unverified;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].run, found[0].has_moved_on), (tenure.run, false));
    assert_eq!(found[0].host, Some(("host".into(), "boot".into())));
    let next = world.running_again().await;
    assert!(suspects(&world).await.unverified[0].has_moved_on);
    world.end(&next, exit(0)).await;
    world
        .store
        .comment(tenure.task, "me".into(), "looked".into())
        .await
        .unwrap();
    assert!(suspects(&world).await.unverified.is_empty());
}

async fn a_child_of_a_cancelled_parent_is_deserted(world: World) {
    let parent = world.add(task()).await;
    let child = world.add(after(&[parent])).await;
    assert!(suspects(&world).await.deserted.is_empty());
    world
        .store
        .wish(parent, Wish::Cancel, "me".into(), None)
        .await
        .unwrap();
    for scope in [Scope::Store, Scope::Task(child)] {
        let found = world.store.suspects(scope, DAY).await.unwrap().deserted;
        assert_eq!(found.len(), 1, "{scope:?}");
        assert_eq!((found[0].task, found[0].parent), (child, parent));
    }
    world
        .store
        .wish(parent, Wish::Retry, "me".into(), None)
        .await
        .unwrap();
    assert!(suspects(&world).await.deserted.is_empty());
}

async fn links_of_what_is_over_hide_no_deserted_child(world: World) {
    let over = world.add(task()).await;
    let many = MOST_LINKS as usize;
    world.many_children(over, LinkKind::Success, many).await;
    world
        .execute("UPDATE tasks SET status = 'cancelled' WHERE status = 'todo'")
        .await;
    let parent = world.add(task()).await;
    let child = world.add(after(&[parent])).await;
    let cancelled = world.store.wish(parent, Wish::Cancel, "me".into(), None);
    cancelled.await.unwrap();
    let found = suspects(&world).await.deserted;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].task, found[0].parent), (child, parent));
}

async fn one_task_is_looked_at_alone(world: World) {
    let (one, other) = (world.add(task()).await, world.add(task()).await);
    let of = |id: TaskId| world.store.suspects(Scope::Task(id), DAY);
    let found = of(other).await.unwrap();
    assert_eq!(found.lanes.len(), 1);
    assert_eq!((found.lanes[0].first, found.lanes[0].number), (other, 1));
    let tenure = world.running_again().await;
    assert_eq!(tenure.task, one);
    let report = Report::Fail {
        reason: "no".into(),
    };
    let id = report_id("a");
    world
        .store
        .report(tenure.clone(), id, report)
        .await
        .unwrap();
    world.end(&tenure, exit(1)).await;
    assert_eq!(of(one).await.unwrap().troubled.len(), 1);
    assert!(of(other).await.unwrap().troubled.is_empty());
    assert!(of(TaskId(99)).await.is_err());
}

async fn what_waits_for_another_parent_too_says_so(world: World) {
    let (parent, other) = (world.add(task()).await, world.add(task()).await);
    let child = world.add(after(&[parent, other])).await;
    let wish = world.store.wish(parent, Wish::Cancel, "me".into(), None);
    wish.await.unwrap();
    let others = async |scope| {
        let found = world.store.suspects(scope, DAY).await.unwrap().deserted;
        found.iter().map(|one| one.others).collect::<Vec<_>>()
    };
    for scope in [Scope::Store, Scope::Task(child)] {
        assert_eq!(others(scope).await, [1]);
    }
    // The other one is done.
    world.run_to(exit(0)).await;
    for scope in [Scope::Store, Scope::Task(child)] {
        assert_eq!(others(scope).await, [0]);
    }
}

async fn a_wait_for_another_task_is_told_from_a_block(world: World) {
    let urgent = NewTask {
        priority: 5,
        ..reporting()
    };
    let id = world.add(urgent).await;
    let block = || Report::Block {
        kind: BlockKind::NeedsInput,
        reason: "which?".into(),
    };
    let blocked = async |said: &str, report| {
        let tenure = world.running_again().await;
        assert_eq!(tenure.task, id);
        let report = world.store.report(tenure.clone(), report_id(said), report);
        report.await.unwrap();
        world.end(&tenure, exit(0)).await;
    };
    let counts = async || {
        let found = suspects(&world).await.troubled;
        (found[0].streaks.blocks, found[0].waits)
    };
    blocked("a", block()).await;
    assert_eq!(counts().await, (1, 0));
    let wish = world.store.wish(id, Wish::Unblock, "me".into(), None);
    wish.await.unwrap();
    let after = world.add(task()).await;
    let wait = Report::Wait {
        after,
        reason: None,
    };
    blocked("b", wait).await;
    assert_eq!(counts().await, (2, 1));
    // What it waits for is done.
    world.run_to(exit(0)).await;
    blocked("c", block()).await;
    assert_eq!(counts().await, (3, 1));
}

async fn what_gave_room_lately_is_told_while_something_waits(world: World) {
    let keyed = NewTask {
        limit_key: Some(KeyLimit {
            key: "repo:x".into(),
            limit: 1,
        }),
        ..task()
    };
    let running = world.running(keyed).await;
    world
        .store
        .pause(Pausable::Store, "me".into(), None)
        .await
        .unwrap();
    world.end(&running, exit(0)).await;
    world
        .store
        .resume(Pausable::Store, "me".into(), None)
        .await
        .unwrap();
    let resumed_at = world.store.time().await.unwrap();
    assert!(suspects(&world).await.freed.is_empty(), "nothing waits");
    world.add(task()).await;
    let found = suspects(&world).await;
    let keys: Vec<_> = found
        .freed
        .iter()
        .map(|one| one.limit_key.as_deref())
        .collect();
    assert_eq!(keys, [Some("repo:x")]);
    assert_eq!(found.freed[0].profile, "shell");
    assert_eq!(found.resumed_at, Some(resumed_at));
    world.clock.advance(LATELY);
    let found = suspects(&world).await;
    assert!(
        found.freed.is_empty() && found.resumed_at.is_none(),
        "{found:?}"
    );
}
