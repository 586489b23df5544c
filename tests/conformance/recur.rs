//! Recurring tasks: a series is a chain, and each time of it is decided once.

use std::time::Duration;

use serde_json::Value;
use tenure_guard::{Report, TaskId, Tenure};
use tenure_store::event::EventKind;
use tenure_store::life::{Ask, CatchUp, LimitsLayer, Overlap, Recurrence, TaskStatus, Times};
use tenure_store::person::Wish;
use tenure_store::read::TaskFilter;
use tenure_store::task::{KeyLimit, NewTask, NotBefore};

use crate::world::{World, after, complete, exit, on_both, report_id, reporting, task};

on_both!(
    a_series_goes_on_at_its_times_without_drift,
    a_successor_is_wanted_as_its_predecessor_is_and_is_another_task,
    a_clock_that_jumps_a_day_ahead_starts_one_run,
    what_was_missed_in_a_day_is_made_up_for_one_after_the_other,
    what_was_missed_passes_where_it_is_to_be_skipped,
    a_time_that_comes_while_an_earlier_one_goes_on_is_skipped,
    what_is_queued_begins_when_the_earlier_one_has_ended_however,
    what_is_replaced_is_cancelled_and_ended_before_the_next_begins,
    what_is_replaced_stays_so_although_its_own_time_has_come_too,
    what_waits_for_a_person_holds_up_nothing,
    a_cancelled_one_ends_its_series_and_a_retried_one_resumes_it,
    what_is_promoted_runs_beside_its_series_and_what_is_completed_by_hand_in_it,
    a_paused_one_holds_its_series,
    a_first_one_waits_for_its_parents,
    no_more_than_a_thousand_wait_for_each_other,
    what_waits_for_the_next_of_its_series_does_not_hold_it_up,
    what_waits_for_the_next_through_another_one_does_not_hold_it_up_either,
    what_queues_up_waits_for_one_that_waits_for_the_one_before,
);

const MINUTE: Duration = Duration::from_mins(1);

fn every_minute(overlap: Overlap, catch_up: CatchUp) -> NewTask {
    recurring(Times::Every(MINUTE), overlap, catch_up)
}

fn recurring(times: Times, overlap: Overlap, catch_up: CatchUp) -> NewTask {
    NewTask {
        recurrence: Some(Recurrence {
            times,
            overlap,
            catch_up,
        }),
        ..reporting()
    }
}

/// All tasks, oldest first, by how they stand.
async fn standing(world: &World) -> Vec<(TaskId, TaskStatus)> {
    let filter = TaskFilter {
        all: true,
        ..TaskFilter::default()
    };
    let page = world.store.list(&filter).await.unwrap();
    page.rows.iter().map(|row| (row.id, row.status)).collect()
}

/// How many stand so.
async fn count(world: &World, status: TaskStatus) -> usize {
    let tasks = standing(world).await;
    tasks.iter().filter(|(_, found)| *found == status).count()
}

/// The one that waits for its time, and how many seconds it has to wait.
async fn next(world: &World) -> (TaskId, i64) {
    let tasks = standing(world).await;
    let mut scheduled = tasks
        .iter()
        .filter(|(_, status)| *status == TaskStatus::Scheduled);
    let (id, _) = scheduled.next().expect("one waits for its time");
    assert!(scheduled.next().is_none(), "more than one wait: {tasks:?}");
    let time = world.task(*id).await.not_before.unwrap();
    (*id, (time.as_millisecond() - world.now()) / 1000)
}

async fn claimed(world: &World) -> Vec<TaskId> {
    world.claim_all(world.wanted(9)).await
}

/// What the newest event of a kind says.
async fn said(world: &World, id: TaskId, kind: EventKind) -> Value {
    let detail = world.store.show(id).await.unwrap();
    let mut events = detail.events.into_iter().rev();
    let event = events.find(|event| event.kind == kind);
    event
        .unwrap_or_else(|| panic!("no {kind} of task {id}"))
        .payload
}

async fn a_series_goes_on_at_its_times_without_drift(world: World) {
    let first = world
        .add(NewTask {
            not_before: Some(NotBefore::In(Duration::from_secs(10))),
            ..every_minute(Overlap::Skip, CatchUp::One)
        })
        .await;
    assert_eq!(next(&world).await, (first, 10));
    assert!(claimed(&world).await.is_empty());
    // Three seconds late.
    world.clock.advance(Duration::from_secs(13));
    assert_eq!(claimed(&world).await, [first]);
    let (second, wait) = next(&world).await;
    assert_eq!(wait, 57);
    assert_eq!(world.task(second).await.series_id, Some(first));
    assert_eq!(
        world.events(second).await,
        [EventKind::Added],
        "and only then is it added"
    );
    assert!(claimed(&world).await.is_empty());
    assert_eq!(
        next(&world).await.0,
        second,
        "the same again changes nothing"
    );
}

async fn a_successor_is_wanted_as_its_predecessor_is_and_is_another_task(world: World) {
    let parent = world.add(task()).await;
    world.run_to(exit(0)).await;
    let first = world
        .add(NewTask {
            title: Some("nightly".into()),
            body: "all of it".into(),
            priority: 3,
            env: [("A".into(), "1".into())].into(),
            key: Some("the key".into()),
            limit_key: Some(KeyLimit {
                key: "repo:x".into(),
                limit: 1,
            }),
            ..NewTask {
                recurrence: every_minute(Overlap::Queue, CatchUp::All).recurrence,
                ..after(&[parent])
            }
        })
        .await;
    assert_eq!(claimed(&world).await, [first]);
    let (id, wait) = next(&world).await;
    assert_eq!(wait, 60);
    let [first, second] = [world.task(first).await, world.task(id).await];
    let wanted = |row: &tenure_store::read::TaskRow| {
        let row = row.clone();
        (
            (
                row.title,
                row.body,
                row.assignee,
                row.command,
                row.cwd,
                row.env,
            ),
            (
                row.skills,
                row.limits,
                row.priority,
                row.limit_key,
                row.limit,
            ),
            (row.recurrence, row.series_id),
        )
    };
    assert_eq!(wanted(&second), wanted(&first));
    assert_eq!((second.key, second.attempts), (None, 0));
    assert_eq!(second.queued_at, second.not_before.unwrap());
    let detail = world.store.show(id).await.unwrap();
    assert!(detail.parents.is_empty(), "{:?}", detail.parents);
}

async fn a_clock_that_jumps_a_day_ahead_starts_one_run(world: World) {
    a_day_ahead(&world, CatchUp::One, 0).await;
}

async fn what_was_missed_in_a_day_is_made_up_for_one_after_the_other(world: World) {
    a_day_ahead(&world, CatchUp::All, 24).await;
}

async fn a_day_ahead(world: &World, catch_up: CatchUp, waiting: usize) {
    let hourly = Times::Every(Duration::from_hours(1));
    let first = world.add(recurring(hourly, Overlap::Skip, catch_up)).await;
    world.clock.advance(Duration::from_hours(24));
    let mut started = Vec::new();
    for _ in 0..30 {
        started.extend(claimed(world).await);
    }
    assert_eq!(started, [first]);
    assert_eq!(count(world, TaskStatus::Todo).await, waiting);
    assert_eq!(next(world).await.1, 3600);
}

async fn wish(world: &World, id: TaskId, wish: Wish) {
    let by = "a test".to_owned();
    world.store.wish(id, wish, by, None).await.unwrap();
}

async fn what_was_missed_passes_where_it_is_to_be_skipped(world: World) {
    let first = world.add(every_minute(Overlap::Skip, CatchUp::Skip)).await;
    world.clock.advance(Duration::from_secs(150));
    assert!(claimed(&world).await.is_empty());
    assert_eq!(next(&world).await, (first, 30));
    let said = said(&world, first, EventKind::Skipped).await;
    assert_eq!(said["because"], "missed", "{said}");
    world.clock.advance(Duration::from_secs(45));
    assert_eq!(claimed(&world).await, [first], "late, and not missed");
}

async fn a_time_that_comes_while_an_earlier_one_goes_on_is_skipped(world: World) {
    let first = world
        .running(every_minute(Overlap::Skip, CatchUp::One))
        .await;
    let (second, _) = next(&world).await;
    world.clock.advance(MINUTE);
    assert!(claimed(&world).await.is_empty());
    assert_eq!(next(&world).await, (second, 60), "the same task waits on");
    let said = said(&world, second, EventKind::Skipped).await;
    assert_eq!(said["because"], "overlap", "{said}");
    assert_eq!(said["earlier"], first.task.0, "{said}");
    // It will be tried again: it goes on.
    world.end(&first, exit(1)).await;
    assert_eq!(world.status(first.task).await, TaskStatus::Scheduled);
    let later = NewTask {
        not_before: Some(NotBefore::In(Duration::from_hours(1))),
        ..task()
    };
    world.add(later).await;
    world.clock.advance(MINUTE);
    assert_eq!(claimed(&world).await, [first.task]);
    assert_eq!(world.status(second).await, TaskStatus::Scheduled);
}

async fn what_is_queued_begins_when_the_earlier_one_has_ended_however(world: World) {
    let first = world
        .running(every_minute(Overlap::Queue, CatchUp::One))
        .await;
    let (second, _) = next(&world).await;
    world.clock.advance(MINUTE);
    assert!(claimed(&world).await.is_empty());
    let (third, _) = next(&world).await;
    world.clock.advance(MINUTE);
    assert!(claimed(&world).await.is_empty());
    assert_eq!(world.status(second).await, TaskStatus::Todo);
    assert_eq!(world.status(third).await, TaskStatus::Todo);
    let parents = world.store.show(third).await.unwrap().parents;
    assert_eq!(parents[0].id, second);
    wish(&world, first.task, Wish::Cancel).await;
    assert_eq!(world.end(&first, exit(1)).await.promoted, [second]);
    assert_eq!(claimed(&world).await, [second]);
}

async fn what_is_replaced_is_cancelled_and_ended_before_the_next_begins(world: World) {
    let first = world
        .running(every_minute(Overlap::Replace, CatchUp::One))
        .await;
    let (second, _) = next(&world).await;
    world.clock.advance(MINUTE);
    let claims = world.store.claim(world.wanted(9)).await.unwrap();
    assert!(claims.claimed.is_empty());
    assert!(claims.asked, "its dispatcher shall hear of it");
    assert_eq!(world.status(second).await, TaskStatus::Todo);
    let run = world.run(first.run).await;
    assert_eq!(
        (run.ask, run.ask_by.as_deref()),
        (Some(Ask::Cancel), Some("tenure"))
    );
    let (third, _) = next(&world).await;
    assert_eq!(world.end(&first, exit(1)).await.promoted, [second]);
    assert_eq!(world.status(first.task).await, TaskStatus::Cancelled);
    // One that has not started is cancelled at once.
    world.clock.advance(MINUTE);
    assert_eq!(claimed(&world).await, [third]);
    assert_eq!(world.status(second).await, TaskStatus::Cancelled);
    let said = said(&world, second, EventKind::Cancelled).await;
    assert_eq!(said["by"], "tenure", "{said}");
}

async fn what_is_replaced_stays_so_although_its_own_time_has_come_too(world: World) {
    let limits = LimitsLayer {
        defer_for: Some(MINUTE + MINUTE / 2),
        ..LimitsLayer::default()
    };
    let first = world
        .running(NewTask {
            limits,
            ..every_minute(Overlap::Replace, CatchUp::One)
        })
        .await;
    let (second, _) = next(&world).await;
    world.end(&first, exit(75)).await;
    assert_eq!(world.status(first.task).await, TaskStatus::Scheduled);
    // Nobody dispatched while both times came.
    world.clock.advance(2 * MINUTE);
    assert_eq!(claimed(&world).await, [second]);
    assert_eq!(world.status(first.task).await, TaskStatus::Cancelled);
}

async fn what_waits_for_a_person_holds_up_nothing(world: World) {
    let first = world
        .running(every_minute(Overlap::Skip, CatchUp::One))
        .await;
    let blocked = Report::Block {
        kind: tenure_guard::BlockKind::NeedsInput,
        reason: "which one?".into(),
    };
    let id = report_id("a");
    world
        .store
        .report(first.clone(), id, blocked)
        .await
        .unwrap();
    world.end(&first, exit(0)).await;
    let (second, _) = next(&world).await;
    world.clock.advance(MINUTE);
    assert_eq!(claimed(&world).await, [second]);
}

async fn a_cancelled_one_ends_its_series_and_a_retried_one_resumes_it(world: World) {
    let first = world
        .claimed(every_minute(Overlap::Queue, CatchUp::One))
        .await
        .tenure
        .task;
    let (second, _) = next(&world).await;
    wish(&world, second, Wish::Cancel).await;
    world.clock.advance(MINUTE * 10);
    assert!(claimed(&world).await.is_empty());
    assert_eq!(standing(&world).await.len(), 2);
    wish(&world, second, Wish::Retry).await;
    assert_eq!(world.status(second).await, TaskStatus::Scheduled);
    assert!(claimed(&world).await.is_empty());
    assert_eq!(
        world.status(second).await,
        TaskStatus::Todo,
        "behind {first}"
    );
    assert_eq!(next(&world).await.1, 60);
}

async fn what_is_promoted_runs_beside_its_series_and_what_is_completed_by_hand_in_it(world: World) {
    let later = NewTask {
        not_before: Some(NotBefore::In(MINUTE)),
        ..every_minute(Overlap::Skip, CatchUp::One)
    };
    let first = world.add(later).await;
    wish(&world, first, Wish::Promote { force: false }).await;
    assert_eq!(claimed(&world).await, [first]);
    let (second, wait) = next(&world).await;
    assert_eq!(wait, 60, "the time that it was to have");
    let result = Wish::Complete {
        summary: None,
        metadata: None,
        artifacts: Vec::new(),
    };
    wish(&world, second, result).await;
    assert_eq!(world.status(second).await, TaskStatus::Done);
    assert_eq!(next(&world).await.1, 120, "that time is taken");
}

async fn a_paused_one_holds_its_series(world: World) {
    world.add(every_minute(Overlap::Skip, CatchUp::One)).await;
    world.execute("UPDATE tasks SET paused_at = 1").await;
    world.clock.advance(MINUTE * 3);
    assert!(!world.store.may_claim().await.unwrap());
    assert_eq!(world.store.promote_due().await.unwrap(), (0, None));
    world.execute("UPDATE tasks SET paused_at = NULL").await;
    assert_eq!(world.store.promote_due().await.unwrap().0, 1);
    assert_eq!(next(&world).await.1, 60, "one stands for all");
}

async fn a_first_one_waits_for_its_parents(world: World) {
    let parent = world.running(task()).await;
    let first = world
        .add(NewTask {
            recurrence: every_minute(Overlap::Skip, CatchUp::One).recurrence,
            ..after(&[parent.task])
        })
        .await;
    world.clock.advance(MINUTE * 2);
    assert!(claimed(&world).await.is_empty());
    assert_eq!(world.status(first).await, TaskStatus::Todo);
    world.end(&parent, exit(0)).await;
    assert_eq!(claimed(&world).await, [first]);
    assert_eq!(next(&world).await.1, 60);
}

async fn no_more_than_a_thousand_wait_for_each_other(world: World) {
    world
        .running(every_minute(Overlap::Queue, CatchUp::All))
        .await;
    world.clock.advance(MINUTE * 1100);
    while world.store.promote_due().await.unwrap().1 == Some(Duration::ZERO) {}
    // The one that runs is among those that go on.
    assert_eq!(count(&world, TaskStatus::Todo).await, 999);
    let (last, wait) = next(&world).await;
    assert_eq!(wait, 60);
    let said = said(&world, last, EventKind::Skipped).await;
    assert_eq!(said["because"], "too_many_wait", "{said}");
}

/// The worker of a run says that its task waits for another one.
async fn waits_for(world: &World, tenure: &Tenure, other: TaskId) {
    let wait = Report::Wait {
        after: other,
        reason: None,
    };
    let id = report_id("wait");
    world.store.report(tenure.clone(), id, wait).await.unwrap();
    let ended = world.end(tenure, exit(0)).await;
    assert_eq!(ended.status, TaskStatus::Todo);
}

async fn what_waits_for_the_next_of_its_series_does_not_hold_it_up(world: World) {
    for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Replace] {
        let first = world.running(every_minute(overlap, CatchUp::One)).await;
        let (second, _) = next(&world).await;
        waits_for(&world, &first, second).await;
        world.clock.advance(MINUTE);
        let begun = world.running_again().await;
        assert_eq!(begun.task, second, "{overlap}");
        assert_eq!(world.status(first.task).await, TaskStatus::Todo);
        let report = report_id("done");
        let done = world.store.report(begun.clone(), report, complete());
        done.await.unwrap();
        assert_eq!(world.end(&begun, exit(0)).await.promoted, [first.task]);
        for id in [first.task, next(&world).await.0] {
            wish(&world, id, Wish::Cancel).await;
        }
    }
}

async fn what_waits_for_the_next_through_another_one_does_not_hold_it_up_either(world: World) {
    let first = world
        .running(every_minute(Overlap::Queue, CatchUp::One))
        .await;
    let (second, _) = next(&world).await;
    let between = world.add(after(&[second])).await;
    waits_for(&world, &first, between).await;
    world.clock.advance(MINUTE);
    assert_eq!(claimed(&world).await, [second]);
}

async fn what_queues_up_waits_for_one_that_waits_for_the_one_before(world: World) {
    let first = world
        .running(every_minute(Overlap::Queue, CatchUp::One))
        .await;
    let (second, _) = next(&world).await;
    waits_for(&world, &first, second).await;
    world.clock.advance(MINUTE);
    let begun = world.running_again().await;
    let (third, _) = next(&world).await;
    world.clock.advance(MINUTE);
    assert!(claimed(&world).await.is_empty());
    let parents = world.store.show(third).await.unwrap().parents;
    let ids: Vec<TaskId> = parents.iter().map(|parent| parent.id).collect();
    assert_eq!(ids, [first.task, second]);
    assert_eq!(world.status(third).await, TaskStatus::Todo);
    wish(&world, second, Wish::Cancel).await;
    world.end(&begun, exit(0)).await;
    assert_eq!(
        world.status(third).await,
        TaskStatus::Todo,
        "{second} was cancelled, and {first:?} waits still"
    );
}
