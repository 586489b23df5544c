//! What lies before tasks: whether they move without a person, and why not.

use tenure_guard::{BlockKind, TaskId};
use tenure_store::dispatcher::Dispatcher;
use tenure_store::life::TaskStatus;
use tenure_store::pause::Pausable;
use tenure_store::person::Wish;
use tenure_store::read::{Outlook, Standstill};
use tenure_store::task::{NewTask, Parent, SHELL};

use crate::dispatchers::dispatcher;
use crate::world::{World, after, exit, on_both, task};

on_both!(
    a_pause_of_the_task_its_profile_or_the_store_keeps_what_does_not_run_yet,
    what_is_behind_something_that_waits_for_a_person_waits_too_however_far_away_that_is,
    whoever_serves_one_batch_does_not_move_what_is_outside_of_it,
    a_clean_up_that_nobody_needs_is_told_apart_from_what_somebody_cancelled,
);

/// Somebody who serves everything, and holds the store.
async fn served(world: &World) -> tenure_store::dispatcher::Hold {
    let hold = world.store.hold().await.unwrap();
    world.store.publish(dispatcher(1)).await.unwrap();
    hold
}

async fn look(world: &World, task: TaskId) -> Outlook {
    world.store.outlook(None, &[task]).await.unwrap()
}

async fn a_pause_of_the_task_its_profile_or_the_store_keeps_what_does_not_run_yet(world: World) {
    let _hold = served(&world).await;
    let running = world.running(task()).await.task;
    let ready = world.add(task()).await;
    let behind = world.add(after(&[ready])).await;
    for what in [
        Pausable::Task(ready),
        Pausable::Profile(SHELL.to_owned()),
        Pausable::Store,
    ] {
        assert!(look(&world, behind).await.moves(behind));
        let paused = world.store.pause(what.clone(), "ann".into(), None).await;
        paused.unwrap();
        let outlook = look(&world, behind).await;
        let expected = Some(Standstill::Paused(what.clone()));
        assert_eq!(outlook.standstill(ready), expected);
        assert!(outlook.waits_for_a_person(behind), "{what}");
        assert!(look(&world, running).await.moves(running), "{what}");
        let resumed = world.store.resume(what, "ann".into(), None).await;
        resumed.unwrap();
    }
    let other = Pausable::Profile("reviewer".into());
    world.store.pause(other, "ann".into(), None).await.unwrap();
    assert!(look(&world, behind).await.moves(behind), "it is another's");
}

async fn what_is_behind_something_that_waits_for_a_person_waits_too_however_far_away_that_is(
    world: World,
) {
    let _hold = served(&world).await;
    let first = world.add(task()).await;
    let mut last = first;
    for _ in 0..20 {
        last = world.add(after(&[last])).await;
    }
    assert_eq!(look(&world, last).await.standstill(last), None);
    let kind = BlockKind::NeedsInput;
    let reason = Some("which colour?".to_owned());
    let wish = Wish::Block { kind };
    let blocked = world.store.wish(first, wish, "ann".into(), reason).await;
    blocked.unwrap();
    let outlook = look(&world, last).await;
    assert!(outlook.waits_for_a_person(last));
    let parent = TaskId(last.0 - 1);
    assert_eq!(outlook.standstill(last), Some(Standstill::Behind(parent)));
    assert_eq!(outlook.waits_for(last), [parent]);
    let (_, status) = outlook.task(first).unwrap();
    assert_eq!(status, TaskStatus::Blocked);
}

async fn whoever_serves_one_batch_does_not_move_what_is_outside_of_it(world: World) {
    let outside = world.add(task()).await;
    let new = NewTask {
        after: vec![Parent::Task(outside)],
        ..task()
    };
    let submitted = world.store.submit("file", vec![task(), new]).await.unwrap();
    let [inside, behind] = [0, 1].map(|index: usize| submitted.tasks[index].id);
    let deserted = look(&world, inside).await;
    assert!(deserted.is_deserted());
    assert_eq!(deserted.standstill(inside), Some(Standstill::NotServed));
    let _hold = world.store.hold().await.unwrap();
    let own = Dispatcher {
        batch: Some(submitted.batch),
        ..dispatcher(1)
    };
    world.store.publish(own).await.unwrap();
    let batch = Some(submitted.batch);
    let outlook = world.store.outlook(batch, &[]).await.unwrap();
    assert!(outlook.moves(inside) && outlook.any_moves_of(submitted.batch));
    assert_eq!(outlook.standstill(outside), Some(Standstill::NotServed));
    let waits = Some(Standstill::Behind(outside));
    assert_eq!(outlook.standstill(behind), waits);
    assert!(!outlook.waits_for_a_person(behind));
    world.store.publish(dispatcher(2)).await.unwrap();
    let outlook = world.store.outlook(batch, &[]).await.unwrap();
    assert!(outlook.moves(behind));
}

async fn a_clean_up_that_nobody_needs_is_told_apart_from_what_somebody_cancelled(world: World) {
    let clean_up = NewTask {
        after_failure: vec![Parent::Sibling(0)],
        ..task()
    };
    let tasks = vec![task(), clean_up, after(&[]), after(&[])];
    let submitted = world.store.submit("file", tasks).await.unwrap();
    let ids: Vec<TaskId> = submitted.tasks.iter().map(|added| added.id).collect();
    let wish = Wish::Cancel;
    let cancelled = world.store.wish(ids[2], wish, "ann".into(), None).await;
    cancelled.unwrap();
    world.run_to(exit(0)).await;
    let outlook = world.store.outlook(Some(submitted.batch), &[]).await;
    let outlook = outlook.unwrap();
    let not_needed = ids.iter().map(|id| outlook.is_not_needed(*id));
    assert_eq!(
        not_needed.collect::<Vec<_>>(),
        [false, true, false, false],
        "{outlook:?}"
    );
    assert_eq!(outlook.standstill(ids[1]), Some(Standstill::Over));
}
