//! `block --after`: a task that waits for another one because its worker said so.

use tenure_guard::{BlockKind, Report, TaskId, Tenure};
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::life::{LimitsLayer, LinkKind, Outcome, TaskStatus};
use tenure_store::person::Wish;

use crate::world::{World, after, exit, limited, on_both, report_id, task};

on_both!(
    a_task_stands_behind_the_one_it_waits_for,
    what_is_done_already_is_not_waited_for_but_counts,
    what_would_never_end_is_refused_and_nothing_is_recorded,
    two_that_wait_for_each_other_at_once_are_told_apart,
    what_was_waited_for_once_can_be_waited_for_again,
);

fn wait(after: TaskId) -> Report {
    Report::Wait {
        after,
        reason: Some("needs its numbers".into()),
    }
}

async fn report_wait(world: &World, tenure: &Tenure, after: TaskId) -> Result<(), Error> {
    let id = report_id(&format!("{}:{after}", tenure.run));
    world.store.report(tenure.clone(), id, wait(after)).await
}

async fn a_task_stands_behind_the_one_it_waits_for(world: World) {
    let waiter = world.running(task()).await;
    let other = world.add(task()).await;
    report_wait(&world, &waiter, other).await.unwrap();
    assert_eq!(world.status(waiter.task).await, TaskStatus::Running);
    let ended = world.end(&waiter, exit(0)).await;
    assert_eq!(ended.outcome, Outcome::Blocked);
    assert_eq!(ended.status, TaskStatus::Todo);
    let expected = format!("waits for task {other}: needs its numbers");
    assert_eq!(ended.reason, expected);
    let detail = world.store.show(waiter.task).await.unwrap();
    assert_eq!((detail.parents[0].id, detail.task.blocks), (other, 1));
    assert_eq!(detail.parents[0].kind, LinkKind::Success);
    let linked = detail.events.last().unwrap();
    assert_eq!(linked.kind, EventKind::Linked);
    assert_eq!(linked.payload["parent"], other.0);
    let done = world.run_to(exit(0)).await;
    assert_eq!(done.promoted, [waiter.task]);
    let again = world.claim_one().await;
    assert_eq!((again.tenure.task, again.attempt), (waiter.task, 2));
}

async fn what_is_done_already_is_not_waited_for_but_counts(world: World) {
    let done = world.add(task()).await;
    world.run_to(exit(0)).await;
    let mut waiter = world.running(task()).await;
    for blocks in 1..5 {
        report_wait(&world, &waiter, done).await.unwrap();
        let ended = world.end(&waiter, exit(0)).await;
        let row = world.task(waiter.task).await;
        assert_eq!((ended.outcome, row.blocks), (Outcome::Blocked, blocks));
        world.clock.advance(std::time::Duration::from_mins(10));
        waiter = world.running_again().await;
    }
    report_wait(&world, &waiter, done).await.unwrap();
    let ended = world.end(&waiter, exit(0)).await;
    assert_eq!(ended.status, TaskStatus::Blocked);
    let row = world.task(waiter.task).await;
    assert_eq!(row.block_kind, Some(BlockKind::GaveUp));
    let reason = row.block_reason.unwrap();
    assert!(reason.starts_with("max_blocks = 5 reached"), "{reason}");
}

#[track_caller]
fn refused(result: Result<(), Error>, word: &str) {
    match result {
        Err(Error::Refused { why, .. }) => assert!(why.contains(word), "{why}"),
        other => panic!("{other:?}"),
    }
}

async fn what_would_never_end_is_refused_and_nothing_is_recorded(world: World) {
    let waiter = world.running(task()).await;
    let child = world.add(after(&[waiter.task])).await;
    let grandchild = world.add(after(&[child])).await;
    for (after, word) in [
        (TaskId(4711), "does not exist"),
        (waiter.task, "itself"),
        (child, "waits for it"),
        (grandchild, "waits for it"),
    ] {
        refused(report_wait(&world, &waiter, after).await, word);
    }
    let run = world.run(waiter.run).await;
    assert_eq!((run.report, run.reported_at), (None, None));
    assert!(
        !world
            .events(waiter.task)
            .await
            .contains(&EventKind::Reported)
    );
    // Who is not the owner is told that first.
    world.end(&waiter, exit(0)).await;
    let late = report_wait(&world, &waiter, TaskId(4711)).await;
    assert!(matches!(late, Err(Error::NotOwner { .. })), "{late:?}");
}

async fn two_that_wait_for_each_other_at_once_are_told_apart(world: World) {
    let first = world.running(task()).await;
    let second = world.running(task()).await;
    report_wait(&world, &first, second.task).await.unwrap();
    report_wait(&world, &second, first.task).await.unwrap();
    let ended = world.end(&first, exit(0)).await;
    assert_eq!(ended.status, TaskStatus::Todo);
    let ended = world.end(&second, exit(0)).await;
    assert_eq!(ended.status, TaskStatus::Blocked);
    let row = world.task(second.task).await;
    assert_eq!(row.block_kind, Some(BlockKind::NeedsInput));
    let reason = row.block_reason.unwrap();
    let words = format!("task {}", first.task);
    assert!(
        reason.contains(&words) && reason.contains("circle"),
        "{reason}"
    );
    let unblocked = world
        .store
        .wish(second.task, Wish::Unblock, "ann".into(), None);
    unblocked.await.unwrap();
    assert_eq!(world.status(second.task).await, TaskStatus::Ready);
}

async fn what_was_waited_for_once_can_be_waited_for_again(world: World) {
    let parent = world.add(limited(LimitsLayer {
        max_failures: Some(1),
        ..LimitsLayer::default()
    }));
    let parent = parent.await;
    let child = world.add(after(&[parent])).await;
    world.run_to(exit(0)).await;
    let waiter = world.running_again().await;
    assert_eq!(waiter.task, child);
    // The parent's result is not good enough: somebody is to do it again.
    world
        .execute("UPDATE tasks SET status = 'ready' WHERE status = 'done'")
        .await;
    report_wait(&world, &waiter, parent).await.unwrap();
    let ended = world.end(&waiter, exit(0)).await;
    assert_eq!(ended.status, TaskStatus::Todo);
    let detail = world.store.show(child).await.unwrap();
    assert_eq!(detail.parents.len(), 1);
    assert_eq!(detail.parents[0].met_at, None);
    assert_eq!(world.run_to(exit(0)).await.promoted, [child]);
}
