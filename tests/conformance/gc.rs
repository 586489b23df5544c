//! Clearing away what is old: all of that, and nothing else.

use std::time::Duration;

use tenure_guard::{RunId, TaskId};
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::gc::{Amount, RunFolder, Walk};
use tenure_store::read::EventFilter;
use tenure_store::task::NewTask;
use tenure_store::{EventId, Store};

use crate::world::{World, after, exit, on_both, task};

on_both!(
    old_events_of_finished_tasks_go_and_those_of_others_stay,
    a_dry_run_counts_and_removes_nothing,
    an_archived_task_goes_with_everything_of_its_own,
    what_is_still_needed_of_archived_tasks_stays,
    a_run_folder_may_go_when_its_task_is_finished,
    dispatchers_that_signed_off_go,
    what_was_cleared_away_is_an_event,
);

const LATER: Duration = Duration::from_hours(48);

async fn done(world: &World) -> TaskId {
    let id = world.add(task()).await;
    world.run_to(exit(0)).await;
    id
}

async fn archive(world: &World, task: TaskId) {
    let now = world.now();
    let statement = format!("UPDATE tasks SET archived_at = {now} WHERE id = {task}");
    world.execute(&statement).await;
}

/// All of it that is older than now.
async fn clear_events(world: &World, dry_run: bool) -> Amount {
    let mut amount = Amount::default();
    let mut walk = Some(Walk::default());
    while let Some(from) = walk {
        let piece = world.store.clear_events(from, world.now(), dry_run);
        let piece = piece.await.unwrap();
        amount.add(piece.amount);
        walk = piece.next;
    }
    amount
}

async fn old_events_of_finished_tasks_go_and_those_of_others_stay(world: World) {
    let finished = done(&world).await;
    let waiting = world.add(task()).await;
    world.clock.advance(LATER);
    let young = done_later(&world).await;
    let kept = world.events(waiting).await;
    let count = world.events(finished).await.len();

    let cleared = clear_events(&world, false).await;
    assert_eq!(cleared.count, count as u64);
    assert!(cleared.bytes > 0);
    assert_eq!(world.events(finished).await, []);
    assert_eq!(world.events(waiting).await, kept);
    assert_ne!(world.events(young).await, []);
    assert_eq!(clear_events(&world, false).await, Amount::default());
}

/// A task that is cancelled, since another one is first in the order.
async fn done_later(world: &World) -> TaskId {
    let id = world.add(task()).await;
    let wish = tenure_store::person::Wish::Cancel;
    let cancelled = world.store.wish(id, wish, "me".into(), None);
    cancelled.await.unwrap();
    id
}

async fn a_dry_run_counts_and_removes_nothing(world: World) {
    let finished = done(&world).await;
    let before = world.events(finished).await;
    world.clock.advance(LATER);
    let counted = clear_events(&world, true).await;
    assert_eq!(counted.count, before.len() as u64);
    assert_eq!(world.events(finished).await, before);
    assert_eq!(clear_events(&world, false).await, counted);
}

async fn an_archived_task_goes_with_everything_of_its_own(world: World) {
    let parent = done(&world).await;
    let child = world.add(after(&[parent])).await;
    world.run_to(exit(0)).await;
    let remark = world.store.comment(parent, "me".into(), "gone soon".into());
    remark.await.unwrap();
    archive(&world, parent).await;
    world.clock.advance(LATER);
    let now = world.now();
    assert_eq!(world.store.clearable_tasks(now).await.unwrap(), [parent]);
    assert_eq!(world.store.runs_to_clear(parent).await.unwrap().len(), 1);
    world.store.clear_task(parent, now).await.unwrap();

    let error = world.store.show(parent).await.unwrap_err();
    assert!(matches!(error, Error::NoSuchTask(id) if id == parent));
    assert_eq!(world.store.show(child).await.unwrap().parents, []);
    assert_eq!(world.number("SELECT count(*) FROM comments").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM runs").await, 1);
    // Its id is never given to another one.
    assert!(world.add(task()).await > child);
    let error = world.store.clear_task(child, now).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!(world.store.runs(child).await.unwrap().len(), 1);
}

async fn what_is_still_needed_of_archived_tasks_stays(world: World) {
    let keyed = NewTask {
        key: Some("k".into()),
        ..task()
    };
    let keyed = world.add(keyed).await;
    world.run_to(exit(0)).await;
    let parent = done(&world).await;
    world.add(after(&[parent])).await;
    let young = done_later(&world).await;
    archive(&world, keyed).await;
    archive(&world, parent).await;
    world.clock.advance(LATER);
    archive(&world, young).await;
    let now = world.now();
    assert_eq!(world.store.clearable_tasks(now).await.unwrap(), []);
}

async fn a_run_folder_may_go_when_its_task_is_finished(world: World) {
    let finished = done(&world).await;
    let removed = done(&world).await;
    let failed = world.add(task()).await;
    world.run_to(exit(1)).await;
    let run = async |id| world.store.runs(id).await.unwrap()[0].run_id;
    let runs = [run(finished).await, run(removed).await, run(failed).await];
    archive(&world, removed).await;
    let early = world.now();
    world.clock.advance(LATER);
    world.store.clear_task(removed, world.now()).await.unwrap();
    let asked = [runs[0], runs[1], runs[2], RunId(99)];
    let judge = async |before| {
        let judged = world.store.judge_run_folders(&asked, before);
        judged.await.unwrap()
    };
    let (needed, old, unknown) = (RunFolder::Needed, RunFolder::Old, RunFolder::Unknown);
    assert_eq!(judge(world.now()).await, [old, old, needed, unknown]);
    assert_eq!(judge(early).await, [needed, old, needed, unknown]);
}

async fn dispatchers_that_signed_off_go(world: World) {
    let count = async |store: &Store| {
        let counted = store.clear_dispatchers(world.now(), true);
        counted.await.unwrap().count
    };
    assert_eq!(count(&world.store).await, 0);
    world
        .execute(
            "INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots, profiles, started_at, seen_at, retired_at) VALUES ('d', 'h', 'h', 'b', 1, '/s', '1', 1, '[]', 0, 0, 0)",
        )
        .await;
    assert_eq!(count(&world.store).await, 1);
    let cleared = world.store.clear_dispatchers(world.now(), false);
    assert_eq!(cleared.await.unwrap().count, 1);
    assert_eq!(count(&world.store).await, 0);
}

async fn what_was_cleared_away_is_an_event(world: World) {
    let what = serde_json::json!({ "events": 3 });
    let noted = world.store.note_cleared("me".into(), what.clone());
    noted.await.unwrap();
    let filter = EventFilter {
        after: EventId(0),
        task: None,
        batch: None,
        kind: Some(EventKind::Cleared),
        limit: 10,
    };
    let events = world.store.events(&filter).await.unwrap();
    assert_eq!(events[0].task_id, None);
    assert_eq!(events[0].payload["cleared"], what);
}
