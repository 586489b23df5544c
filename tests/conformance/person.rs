//! What people want of a task that does not run; of a running one see `report`.

use std::time::Duration;

use tenure_guard::{BlockKind, TaskId};
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::life::{End, LimitsLayer, TaskStatus};
use tenure_store::person::{Granted, Wish};
use tenure_store::task::{NewTask, NotBefore};

use crate::world::{World, after, complete, exit, limited, on_both, report_id, task};

on_both!(
    every_wish_moves_a_task_as_the_table_says,
    a_block_needs_a_kind_that_is_a_persons_and_a_reason,
    a_verb_that_ends_a_run_is_refused_where_nothing_runs,
    a_running_task_is_neither_unblocked_nor_retried,
    unblock_and_retry_reset_every_streak,
    parents_and_time_still_count_after_a_wish,
    a_wish_writes_who_and_why,
    a_task_that_is_not_there_is_named,
    a_remark_is_kept_with_its_author,
);

const BLOCK: Wish = Wish::Block {
    kind: BlockKind::Operator,
};

async fn wish(world: &World, id: TaskId, wish: Wish) -> Result<Granted, Error> {
    let reason = Some("because".to_owned());
    world.store.wish(id, wish, "ann".into(), reason).await
}

/// A task in each status in which nothing runs.
async fn resting(world: &World, status: TaskStatus) -> TaskId {
    match status {
        TaskStatus::Todo => {
            let parent = world
                .add(NewTask {
                    not_before: Some(NotBefore::In(Duration::from_secs(9999))),
                    ..task()
                })
                .await;
            world.add(after(&[parent])).await
        }
        TaskStatus::Scheduled => {
            world
                .add(NewTask {
                    not_before: Some(NotBefore::In(Duration::from_secs(9999))),
                    ..task()
                })
                .await
        }
        TaskStatus::Ready => world.add(task()).await,
        TaskStatus::Blocked => {
            let id = world.add(task()).await;
            wish(world, id, BLOCK).await.unwrap();
            id
        }
        TaskStatus::Done => {
            let tenure = world.running(task()).await;
            world.end(&tenure, exit(0)).await;
            tenure.task
        }
        TaskStatus::Cancelled => {
            let id = world.add(task()).await;
            wish(world, id, Wish::Cancel).await.unwrap();
            id
        }
        TaskStatus::Running => world.running(task()).await.task,
    }
}

async fn every_wish_moves_a_task_as_the_table_says(world: World) {
    use TaskStatus as S;
    let moves = [
        (S::Todo, BLOCK, Some(S::Blocked)),
        (S::Todo, Wish::Cancel, Some(S::Cancelled)),
        (S::Todo, Wish::Retry, Some(S::Todo)),
        (S::Todo, Wish::Unblock, None),
        (S::Scheduled, BLOCK, Some(S::Blocked)),
        (S::Scheduled, Wish::Cancel, Some(S::Cancelled)),
        (S::Scheduled, Wish::Retry, Some(S::Scheduled)),
        (S::Scheduled, Wish::Unblock, None),
        (S::Blocked, BLOCK, None),
        (S::Blocked, Wish::Cancel, Some(S::Cancelled)),
        (S::Blocked, Wish::Retry, Some(S::Ready)),
        (S::Blocked, Wish::Unblock, Some(S::Ready)),
        (S::Cancelled, BLOCK, None),
        (S::Cancelled, Wish::Cancel, None),
        (S::Cancelled, Wish::Retry, Some(S::Ready)),
        (S::Cancelled, Wish::Unblock, None),
        (S::Ready, BLOCK, Some(S::Blocked)),
        (S::Ready, Wish::Cancel, Some(S::Cancelled)),
        (S::Ready, Wish::Retry, Some(S::Ready)),
        (S::Ready, Wish::Unblock, None),
    ];
    for done in [BLOCK, Wish::Cancel, Wish::Unblock] {
        let id = resting(&world, S::Done).await;
        let refused = wish(&world, id, done).await;
        assert!(matches!(refused, Err(Error::Illegal { .. })), "{refused:?}");
    }
    for (from, wanted, to) in moves {
        let id = resting(&world, from).await;
        let events = world.events(id).await.len();
        let granted = wish(&world, id, wanted.clone()).await;
        match (to, granted) {
            (Some(to), Ok(Granted::Moved(found))) => {
                assert_eq!(found, to, "{from} {wanted:?}");
                assert_eq!(world.status(id).await, to);
                assert_eq!(world.events(id).await.len(), events + 1);
                assert_eq!(world.task(id).await.block_kind.is_some(), to == S::Blocked);
            }
            (None, Err(Error::Illegal { task, source })) => {
                assert_eq!((task, source.from), (id, from));
                assert_eq!(world.status(id).await, from);
                assert_eq!(world.events(id).await.len(), events);
            }
            (_, other) => panic!("{from} {wanted:?}: {other:?}"),
        }
    }
}

async fn a_block_needs_a_kind_that_is_a_persons_and_a_reason(world: World) {
    let id = world.add(task()).await;
    let gave_up = Wish::Block {
        kind: BlockKind::GaveUp,
    };
    let wrong = wish(&world, id, gave_up).await;
    assert!(matches!(wrong, Err(Error::Invalid(_))), "{wrong:?}");
    for reason in [None, Some(String::new())] {
        let wrong = world.store.wish(id, BLOCK, "ann".into(), reason).await;
        assert!(matches!(wrong, Err(Error::Invalid(_))), "{wrong:?}");
    }
    assert_eq!(world.status(id).await, TaskStatus::Ready);
}

async fn a_verb_that_ends_a_run_is_refused_where_nothing_runs(world: World) {
    for status in TaskStatus::ALL {
        if *status == TaskStatus::Running {
            continue;
        }
        let id = resting(&world, *status).await;
        for (verb, name) in [(Wish::Stop, "stop"), (Wish::Reclaim, "reclaim")] {
            match wish(&world, id, verb).await {
                Err(Error::Refused { task, why }) => {
                    assert_eq!(task, id);
                    let expected = format!("it is {status}, and there is no run to {name}: ");
                    assert!(why.starts_with(&expected), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
        let _ = wish(&world, id, Wish::Cancel).await;
    }
}

async fn a_running_task_is_neither_unblocked_nor_retried(world: World) {
    let id = resting(&world, TaskStatus::Running).await;
    for verb in [Wish::Unblock, Wish::Retry] {
        let refused = wish(&world, id, verb).await;
        assert!(matches!(refused, Err(Error::Illegal { .. })), "{refused:?}");
    }
}

async fn unblock_and_retry_reset_every_streak(world: World) {
    for verb in [Wish::Unblock, Wish::Retry] {
        let id = world
            .add(limited(LimitsLayer {
                max_failures: Some(2),
                ..LimitsLayer::default()
            }))
            .await;
        for end in [
            exit(1),
            End::Unseen {
                reason: "boot".into(),
                tree_unverified: false,
            },
            End::NeverStarted {
                reason: "us".into(),
            },
            exit(1),
        ] {
            world.clock.advance(Duration::from_hours(1));
            world.run_to(end).await;
        }
        assert_eq!(world.status(id).await, TaskStatus::Blocked);
        wish(&world, id, verb).await.unwrap();
        let row = world.task(id).await;
        let streaks = [
            row.failures,
            row.violations,
            row.defers,
            row.benign,
            row.lost,
        ];
        assert_eq!((row.status, streaks), (TaskStatus::Ready, [0; 5]));
        assert_eq!((row.block_kind, row.block_reason), (None, None));
        wish(&world, id, Wish::Cancel).await.unwrap();
    }
}

async fn parents_and_time_still_count_after_a_wish(world: World) {
    for status in [TaskStatus::Todo, TaskStatus::Scheduled] {
        let id = resting(&world, status).await;
        wish(&world, id, BLOCK).await.unwrap();
        wish(&world, id, Wish::Unblock).await.unwrap();
        assert_eq!(world.status(id).await, status);
        wish(&world, id, Wish::Cancel).await.unwrap();
        wish(&world, id, Wish::Retry).await.unwrap();
        assert_eq!(world.status(id).await, status);
    }
}

async fn a_wish_writes_who_and_why(world: World) {
    let id = world.add(task()).await;
    wish(&world, id, Wish::Cancel).await.unwrap();
    let detail = world.store.show(id).await.unwrap();
    let event = detail.events.last().unwrap();
    assert_eq!(event.kind, EventKind::Cancelled);
    assert_eq!(
        (&event.payload["by"], &event.payload["reason"]),
        (&"ann".into(), &"because".into())
    );
}

async fn a_task_that_is_not_there_is_named(world: World) {
    let missing = wish(&world, TaskId(77), Wish::Cancel).await;
    assert!(matches!(missing, Err(Error::NoSuchTask(TaskId(77)))));
}

async fn a_remark_is_kept_with_its_author(world: World) {
    let tenure = world.running(task()).await;
    let said = world
        .store
        .comment(tenure.task, "ann".into(), "look at the log".into());
    said.await.unwrap();
    let said = world
        .store
        .comment_as_worker(tenure.clone(), "half done".into());
    said.await.unwrap();
    let comments = world.store.show(tenure.task).await.unwrap().comments;
    let found: Vec<_> = comments
        .iter()
        .map(|comment| {
            (
                comment.author.as_str(),
                comment.run_id,
                comment.text.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("ann", None, "look at the log"),
            ("worker", Some(tenure.run), "half done")
        ]
    );
    let events = world.events(tenure.task).await;
    let remarks = events.iter().filter(|kind| **kind == EventKind::Commented);
    assert_eq!(remarks.count(), 2);
    let report = world
        .store
        .report(tenure.clone(), report_id("a"), complete());
    report.await.unwrap();
    world.end(&tenure, exit(0)).await;
}
