//! Ends: one place closes a run, once, and what follows for the task, its streaks and its children.

use std::time::Duration;

use tenure_guard::{BlockKind, Reason, Report, Tenure};
use tenure_store::event::EventKind;
use tenure_store::life::{Ask, Backoff, End, Exit, LimitsLayer, Outcome, TaskStatus};
use tenure_store::person::Wish;
use tenure_store::read::ExitView;

use crate::world::{
    World, after, complete, exit, exited, limited, on_both, report_id, reporting, task,
};

on_both!(
    an_end_again_is_answered_from_what_is_recorded,
    an_end_of_a_closed_run_is_answered_only_to_its_holder,
    every_way_to_end_has_its_outcome_and_its_place,
    children_start_only_after_the_last_parent_is_done,
    a_blocked_or_cancelled_child_stays_so_and_goes_on_when_a_person_says,
    the_breaker_trips_at_the_limit_in_force_and_is_sticky,
    a_benign_end_moves_no_other_streak,
    a_completion_resets_all_streaks,
    backoff_is_waited_and_a_retry_inherits_nothing,
    a_defer_waits_as_long_as_it_says,
    a_person_who_blocks_a_run_is_quoted_on_the_task,
    a_guard_that_stood_down_leaves_an_event_only_with_its_own_lock,
);

fn never_started() -> End {
    End::NeverStarted {
        reason: "no folder".into(),
    }
}

fn no_wait() -> LimitsLayer {
    LimitsLayer {
        backoff: Some(Backoff {
            base: Duration::from_millis(1),
            max: Duration::from_millis(1),
        }),
        ..LimitsLayer::default()
    }
}

async fn an_end_again_is_answered_from_what_is_recorded(world: World) {
    let tenure = world.running(task()).await;
    let child = world.add(after(&[tenure.task])).await;
    let first = world.end(&tenure, exit(0)).await;
    assert_eq!(first.promoted, [child]);
    let again = world.end(&tenure, exit(0)).await;
    assert_eq!(
        (again.outcome, again.reason, again.status),
        (first.outcome, first.reason, first.status)
    );
    assert!(
        !world
            .events(tenure.task)
            .await
            .contains(&EventKind::StaleExit)
    );

    let other = world.end(&tenure, exit(3)).await;
    assert_eq!(other.outcome, Outcome::Completed);
    assert_eq!(world.run(tenure.run).await.exit, Some(ExitView::Code(0)));
    assert!(
        world
            .events(tenure.task)
            .await
            .contains(&EventKind::StaleExit)
    );
    assert_eq!(world.task(child).await.status, TaskStatus::Ready);
}

/// A closed run's tenure with one part that is another closed run's, or nobody's.
async fn mixed(world: &World) -> [Tenure; 3] {
    let mine = world.running(task()).await;
    world.end(&mine, exit(0)).await;
    let other = world.running(task()).await;
    world.end(&other, exit(0)).await;
    let lock = format!("{}:{:032x}", world.dispatcher, 7).parse().unwrap();
    let (task, run) = (other.task, other.run);
    [
        Tenure {
            lock,
            ..mine.clone()
        },
        Tenure {
            run,
            ..mine.clone()
        },
        Tenure { task, ..mine },
    ]
}

async fn an_end_of_a_closed_run_is_answered_only_to_its_holder(world: World) {
    for tenure in mixed(&world).await {
        let refused = world.store.end(tenure, exit(0)).await;
        let expected = Reason::TaskNotRunning("done".into());
        assert_eq!(crate::world::reason(refused), expected);
    }
}

async fn every_way_to_end_has_its_outcome_and_its_place(world: World) {
    use Outcome as O;
    use TaskStatus as S;
    let interrupted = End::Exited {
        exit: Exit::Signal(15),
        interrupted: true,
        stood_down: None,
        tree_unverified: false,
        oom: false,
        core: None,
    };
    let told = End::Exited {
        exit: Exit::Code(79),
        interrupted: false,
        stood_down: Some(Reason::RunMismatch),
        tree_unverified: true,
        oom: false,
        core: None,
    };
    let stood_down = End::StoodDown {
        reason: Reason::MissingClaimLock,
    };
    let cannot = End::SpawnFailed {
        path: "/no".into(),
        errno: 2,
        message: "no such file".into(),
    };
    let unseen = End::Unseen {
        reason: "new boot".into(),
        tree_unverified: false,
    };
    let cases = [
        (exit(0), O::Completed, S::Done),
        (exit(1), O::Failed, S::Scheduled),
        (exit(79), O::Failed, S::Scheduled),
        (exit(75), O::Deferred, S::Scheduled),
        (exited(Exit::Signal(11)), O::Crashed, S::Scheduled),
        (exited(Exit::Unobserved), O::Lost, S::Ready),
        (interrupted, O::Interrupted, S::Ready),
        (told, O::Stale, S::Ready),
        (stood_down, O::Stale, S::Ready),
        (cannot, O::SpawnFailed, S::Scheduled),
        (never_started(), O::NeverStarted, S::Ready),
        (unseen, O::Lost, S::Ready),
    ];
    for (end, outcome, status) in cases {
        let tenure = world.running(task()).await;
        let ended = world.end(&tenure, end.clone()).await;
        // A back-off may be drawn as zero.
        let wait_may_be_none = status == S::Scheduled && ended.status == S::Ready;
        assert!(
            ended.outcome == outcome && (ended.status == status || wait_may_be_none),
            "{end:?} gave {ended:?}"
        );
        let run = world.run(tenure.run).await;
        assert_eq!(run.exit, end.exit().map(ExitView::from), "{end:?}");
        assert_eq!(
            (run.known_outcome(), run.reason),
            (Some(outcome), Some(ended.reason))
        );
        let _ = world
            .store
            .wish(tenure.task, Wish::Cancel, "me".into(), None)
            .await;
    }
}

async fn children_start_only_after_the_last_parent_is_done(world: World) {
    let first = world.add(task()).await;
    let second = world.add(task()).await;
    let child = world.add(after(&[first, second])).await;
    let later = world
        .add(tenure_store::task::NewTask {
            not_before: Some(tenure_store::task::NotBefore::In(Duration::from_hours(1))),
            ..after(&[second])
        })
        .await;
    assert_eq!(world.status(child).await, TaskStatus::Todo);
    assert!(world.run_to(exit(0)).await.promoted.is_empty());
    assert_eq!(world.status(child).await, TaskStatus::Todo);

    let failed = world.claim_one().await.tenure;
    world.start(&failed).await.unwrap();
    assert!(world.end(&failed, exit(1)).await.promoted.is_empty());
    assert_eq!(world.status(child).await, TaskStatus::Todo);
    world.clock.advance(Duration::from_secs(10));
    let ended = world.run_to(exit(0)).await;
    assert_eq!(ended.promoted, [child, later]);
    assert_eq!(world.status(child).await, TaskStatus::Ready);
    assert_eq!(world.status(later).await, TaskStatus::Scheduled);
    assert!(world.events(child).await.contains(&EventKind::ParentsDone));

    let late = world.add(after(&[first, second])).await;
    assert_eq!(
        world.status(late).await,
        TaskStatus::Ready,
        "a parent that is done does not count"
    );
}

async fn a_blocked_or_cancelled_child_stays_so_and_goes_on_when_a_person_says(world: World) {
    let parent = world.add(task()).await;
    let blocked = world.add(after(&[parent])).await;
    let cancelled = world.add(after(&[parent])).await;
    let kind = BlockKind::NeedsInput;
    let wish = |id, wish| world.store.wish(id, wish, "me".into(), Some("why".into()));
    wish(blocked, Wish::Block { kind }).await.unwrap();
    wish(cancelled, Wish::Cancel).await.unwrap();
    assert!(world.run_to(exit(0)).await.promoted.is_empty());
    assert_eq!(world.status(blocked).await, TaskStatus::Blocked);
    assert_eq!(world.status(cancelled).await, TaskStatus::Cancelled);
    wish(blocked, Wish::Unblock).await.unwrap();
    wish(cancelled, Wish::Retry).await.unwrap();
    assert_eq!(world.status(blocked).await, TaskStatus::Ready);
    assert_eq!(world.status(cancelled).await, TaskStatus::Ready);
}

async fn the_breaker_trips_at_the_limit_in_force_and_is_sticky(world: World) {
    for limit in [1, 5] {
        let id = world
            .add(limited(LimitsLayer {
                max_failures: Some(limit),
                ..no_wait()
            }))
            .await;
        for failure in 1..=limit {
            world.clock.advance(Duration::from_secs(1));
            let ended = world.run_to(exit(1)).await;
            assert_eq!(ended.status == TaskStatus::Blocked, failure == limit);
            assert_eq!(world.task(id).await.failures, failure);
        }
        let row = world.task(id).await;
        assert_eq!(row.block_kind, Some(BlockKind::GaveUp));
        let why = row.block_reason.unwrap();
        assert!(
            why.starts_with(&format!("max_failures = {limit} reached")),
            "{why}"
        );
        assert!(world.events(id).await.contains(&EventKind::GaveUp));
        for _ in 0..3 {
            world.clock.advance(Duration::from_hours(24));
            world.store.promote_due().await.unwrap();
            assert!(world.claim_all(world.wanted(5)).await.is_empty());
        }
        assert_eq!(world.status(id).await, TaskStatus::Blocked);
        let unblock = world.store.wish(id, Wish::Unblock, "me".into(), None);
        unblock.await.unwrap();
        assert_eq!(world.task(id).await.failures, 0);
        world.run_to(exit(0)).await;
    }
}

async fn a_benign_end_moves_no_other_streak(world: World) {
    let id = world.add(limited(no_wait())).await;
    world.run_to(exit(1)).await;
    for benign in 1..=3 {
        world.clock.advance(Duration::from_secs(1));
        let tenure = world.claim_one().await.tenure;
        world.end(&tenure, never_started()).await;
        let row = world.task(id).await;
        assert_eq!((row.failures, row.benign), (1, benign));
    }
    world.clock.advance(Duration::from_secs(1));
    let tenure = world.running_again().await;
    let reclaim = world.store.wish(id, Wish::Reclaim, "me".into(), None);
    reclaim.await.unwrap();
    let ended = world.end(&tenure, exited(Exit::Signal(15))).await;
    assert_eq!(
        (ended.outcome, ended.status),
        (Outcome::Reclaimed, TaskStatus::Ready)
    );
    let row = world.task(id).await;
    assert_eq!(
        (row.failures, row.benign),
        (1, 3),
        "a person's reclaim does not count"
    );
}

async fn a_completion_resets_all_streaks(world: World) {
    let id = world.add(limited(no_wait())).await;
    world.run_to(exit(1)).await;
    world.clock.advance(Duration::from_secs(1));
    world.run_to(exit(75)).await;
    world.clock.advance(Duration::from_hours(1));
    world.run_to(exit(0)).await;
    let row = world.task(id).await;
    assert_eq!(
        (row.failures, row.defers, row.status),
        (0, 0, TaskStatus::Done)
    );
}

async fn backoff_is_waited_and_a_retry_inherits_nothing(world: World) {
    let hour = Duration::from_hours(1);
    let id = world
        .add(limited(LimitsLayer {
            defer_for: Some(hour),
            ..LimitsLayer::default()
        }))
        .await;
    let first = world.running_again().await;
    world
        .store
        .heartbeat(first.clone(), Some("old".into()))
        .await
        .unwrap();
    assert_eq!(
        world.end(&first, exit(75)).await.status,
        TaskStatus::Scheduled
    );
    world.clock.advance(Duration::from_millis(3_599_999));
    assert!(world.claim_all(world.wanted(1)).await.is_empty());
    let claims = world.store.claim(world.wanted(1)).await.unwrap();
    assert_eq!(claims.next_due, Some(Duration::from_millis(1)));
    world.clock.advance(Duration::from_millis(1));
    let second = world.claim_one().await;
    assert_eq!((second.tenure.task, second.attempt), (id, 2));
    let run = world.run(second.tenure.run).await;
    assert_eq!(
        (run.heartbeat_at, run.note, run.ask, run.started_at),
        (None, None, None, None)
    );
}

async fn a_defer_waits_as_long_as_it_says(world: World) {
    let tenure = world.running(reporting()).await;
    let report = Report::Defer {
        for_ms: Some(90_000),
        reason: Some("quota".into()),
    };
    world
        .store
        .report(tenure.clone(), report_id("a"), report)
        .await
        .unwrap();
    let ended = world.end(&tenure, exit(0)).await;
    assert_eq!(
        (ended.outcome, ended.status),
        (Outcome::Deferred, TaskStatus::Scheduled)
    );
    let (made_ready, next) = world.store.promote_due().await.unwrap();
    assert_eq!((made_ready, next), (0, Some(Duration::from_secs(90))));
    world.clock.advance(Duration::from_secs(90));
    assert_eq!(world.store.promote_due().await.unwrap(), (1, None));
}

async fn a_person_who_blocks_a_run_is_quoted_on_the_task(world: World) {
    let tenure = world.running(task()).await;
    let kind = BlockKind::NeedsInput;
    let block = world.store.wish(
        tenure.task,
        Wish::Block { kind },
        "me".into(),
        Some("which branch?".into()),
    );
    block.await.unwrap();
    world.end(&tenure, exited(Exit::Signal(15))).await;
    let row = world.task(tenure.task).await;
    assert_eq!(row.block_kind, Some(kind));
    assert_eq!(row.block_reason.as_deref(), Some("which branch?"));

    let tenure = world.running(task()).await;
    let ask = world
        .store
        .ask_as_holder(tenure.clone(), Ask::Timeout, "warden".into());
    ask.await.unwrap();
    let ended = world.end(&tenure, exited(Exit::Signal(15))).await;
    assert_eq!(ended.outcome, Outcome::TimedOut);
    assert_eq!(world.task(tenure.task).await.failures, 1);
}

async fn a_guard_that_stood_down_leaves_an_event_only_with_its_own_lock(world: World) {
    let tenure = world.running(task()).await;
    world.end(&tenure, exit(0)).await;
    let told = world.store.stood_down(tenure.clone(), Reason::RunMismatch);
    assert!(told.await.unwrap());
    assert_eq!(
        world.events(tenure.task).await.last(),
        Some(&EventKind::StoodDown)
    );
    for tenure in mixed(&world).await {
        let told = world.store.stood_down(tenure, Reason::RunMismatch);
        assert!(!told.await.unwrap());
    }
    let reported = world.running(reporting()).await;
    let report = world
        .store
        .report(reported.clone(), report_id("x"), complete());
    report.await.unwrap();
    assert_eq!(
        world.end(&reported, never_started()).await.outcome,
        Outcome::Completed
    );
}
