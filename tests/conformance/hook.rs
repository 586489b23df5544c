//! Hooks: one dispatcher tells, from where the last one ended.

use std::time::Duration;

use tenure_store::event::EventKind;
use tenure_store::read::EventFilter;
use tenure_store::{DispatcherId, EventId};

use crate::world::{World, on_both, task};

on_both!(
    telling_begins_at_the_newest_event_and_goes_on_where_it_ended,
    one_tells_at_a_time_where_several_may,
    a_hook_that_failed_is_an_event_of_the_same_task,
    a_hook_that_failed_is_noted_also_where_its_task_was_cleared_away,
);

const HOLD: Duration = Duration::from_secs(30);

async fn telling_begins_at_the_newest_event_and_goes_on_where_it_ended(world: World) {
    let (store, me) = (&world.store, world.dispatcher);
    world.add(task()).await;
    let newest = store.newest_event().await.unwrap();
    assert_eq!(store.hold_hooks(me, HOLD).await.unwrap(), Some(newest));
    world.add(task()).await;
    assert_eq!(store.hold_hooks(me, HOLD).await.unwrap(), Some(newest));
    let next = EventId(newest.0 + 1);
    assert!(store.hooks_told(me, next, HOLD).await.unwrap());
    assert!(
        !store.hooks_told(me, newest, HOLD).await.unwrap(),
        "it goes back"
    );
    world.clock.advance(HOLD + Duration::from_secs(1));
    let other = DispatcherId::random();
    assert_eq!(store.hold_hooks(other, HOLD).await.unwrap(), Some(next));
    assert!(!store.hooks_told(me, EventId(99), HOLD).await.unwrap());
}

async fn one_tells_at_a_time_where_several_may(world: World) {
    let (store, me) = (&world.store, world.dispatcher);
    let other = DispatcherId::random();
    let start = store.hold_hooks(me, HOLD).await.unwrap();
    // On a store that only one can serve the one before is dead.
    let expected = if world.is_shared() { None } else { start };
    assert_eq!(store.hold_hooks(other, HOLD).await.unwrap(), expected);
    store.release_hooks(me).await.unwrap();
    assert_eq!(store.hold_hooks(other, HOLD).await.unwrap(), start);
}

async fn a_hook_that_failed_is_an_event_of_the_same_task(world: World) {
    let id = world.add(task()).await;
    let filter = EventFilter {
        after: EventId(0),
        task: Some(id),
        batch: None,
        kind: None,
        limit: 9,
    };
    let events = world.store.events(&filter).await.unwrap();
    let (program, reason) = ("notify".to_owned(), "exit 1".to_owned());
    let failed = world.store.hook_failed(events[0].clone(), program, reason);
    failed.await.unwrap();
    let kinds = world.events(id).await;
    assert_eq!(kinds, [EventKind::Added, EventKind::HookFailed]);
}

async fn a_hook_that_failed_is_noted_also_where_its_task_was_cleared_away(world: World) {
    let id = world.add(task()).await;
    let filter = |task, kind| EventFilter {
        after: EventId(0),
        task,
        batch: None,
        kind,
        limit: 9,
    };
    let events = world.store.events(&filter(Some(id), None)).await.unwrap();
    world
        .execute("UPDATE tasks SET status = 'done', archived_at = 1")
        .await;
    world.store.clear_task(id, world.now()).await.unwrap();
    let (program, reason) = ("notify".to_owned(), "exit 1".to_owned());
    let failed = world.store.hook_failed(events[0].clone(), program, reason);
    failed.await.unwrap();
    let filter = filter(None, Some(EventKind::HookFailed));
    let noted = world.store.events(&filter).await.unwrap();
    assert_eq!(noted[0].task_id, None);
    assert_eq!(noted[0].payload["task_id"], id.0);
    assert_eq!(noted[0].payload["event_id"], events[0].id.0);
}
