//! Clearing away what is old: all of that, and nothing else.

use std::time::Duration;

use tenure_guard::{RunId, TaskId};
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::gc::{Amount, RunFolder, TaskWalk, Walk};
use tenure_store::hook::OLD;
use tenure_store::life::{LinkKind, TaskStatus};
use tenure_store::person::Wish;
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
    however_many_are_archived_each_is_found_once,
    what_hooks_have_yet_to_be_told_of_stays,
    what_is_wanted_again_does_not_wait_for_a_parent_that_was_cleared_away,
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

/// All archived tasks that may go by now.
async fn clearable(world: &World) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    let mut walk = Some(TaskWalk::default());
    while let Some(from) = walk {
        let page = world.store.clearable_tasks(from, world.now());
        let page = page.await.unwrap();
        tasks.extend(page.tasks);
        walk = page.next;
    }
    tasks
}

/// A task that is cancelled, since another one is first in the order.
async fn done_later(world: &World) -> TaskId {
    let id = world.add(task()).await;
    let wish = Wish::Cancel;
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
    assert_eq!(clearable(&world).await, [parent]);
    assert_eq!(world.store.runs_to_clear(parent).await.unwrap().len(), 1);
    let events = world.events(parent).await.len() as u64;
    let counted = world.store.events_with_task(parent, 0).await.unwrap();
    assert_eq!(counted.count, events);
    let none = world.store.events_with_task(parent, now).await.unwrap();
    assert_eq!(none, Amount::default());
    let cleared = world.store.clear_task(parent, now).await.unwrap();
    assert_eq!(cleared, counted);

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
    assert_eq!(clearable(&world).await, []);
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
    // The last that served the store stays, for whoever asks about it.
    for (retired, expected) in [(0, 0), (1, 1)] {
        world
            .execute(&format!(
                "INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots, profiles, started_at, seen_at, retired_at) VALUES ('d{retired}', 'h', 'h', 'b', 1, '/s', '1', 1, '[]', 0, 0, {retired})"
            ))
            .await;
        assert_eq!(count(&world.store).await, expected);
    }
    let cleared = world.store.clear_dispatchers(world.now(), false);
    assert_eq!(cleared.await.unwrap().count, 1);
    assert_eq!(count(&world.store).await, 0);
    // One that was killed never signs off. In a file whoever comes next does it for all that are dead.
    let hour = 3_600_000;
    for (id, ago) in [("lately", hour), ("long ago", 25 * hour)] {
        let seen = world.now() - ago;
        world
            .execute(&format!(
                "INSERT INTO dispatchers (id, host_id, host_name, boot_id, pid, socket, version, slots, profiles, started_at, seen_at) VALUES ('{id}', 'h', 'h', 'b', 1, '/s', '1', 1, '[]', 0, {seen})"
            ))
            .await;
    }
    let gone = u64::from(world.is_shared());
    assert_eq!(count(&world.store).await, 1 + gone);
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

async fn however_many_are_archived_each_is_found_once(world: World) {
    const MANY: usize = 1100;
    let parent = world.add(task()).await;
    world.many_children(parent, LinkKind::Success, MANY).await;
    // A great many at one moment, and some before it.
    for statement in [
        "DELETE FROM task_links",
        "UPDATE tasks SET status = 'done', pending_parents = 0, archived_at = 2 WHERE status = 'todo'",
        "UPDATE tasks SET archived_at = 1 WHERE status = 'done' AND id % 10 = 0",
    ] {
        world.execute(statement).await;
    }
    let mut found = clearable(&world).await;
    assert_eq!(found.len(), MANY);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), MANY, "some were found twice");
}

async fn what_hooks_have_yet_to_be_told_of_stays(world: World) {
    let hold = Duration::from_secs(30);
    let told = done(&world).await;
    let store = &world.store;
    store.hold_hooks(world.dispatcher, hold).await.unwrap();
    let untold = done(&world).await;
    for id in [told, untold] {
        archive(&world, id).await;
    }
    let kept = world.events(untold).await;
    world.clock.advance(OLD / 2);
    assert_eq!(clear_events(&world, true).await.count, 4);
    assert_eq!(clear_events(&world, false).await.count, 4);
    assert_eq!(world.events(untold).await, kept);
    assert_eq!(clearable(&world).await, [told]);
    let refused = store.clear_task(untold, world.now()).await.unwrap_err();
    assert!(refused.to_string().contains("hooks"), "{refused}");
    assert_eq!(world.events(untold).await, kept);
    // Told of, it may go; and so may what is too old to be told of.
    let last = store.newest_event().await.unwrap();
    let first = EventId(last.0 - 1);
    store
        .hooks_told(world.dispatcher, first, hold)
        .await
        .unwrap();
    assert_eq!(clear_events(&world, false).await.count, 3);
    world.clock.advance(OLD);
    assert_eq!(clearable(&world).await, [told, untold]);
    store.clear_task(untold, world.now()).await.unwrap();
}

async fn what_is_wanted_again_does_not_wait_for_a_parent_that_was_cleared_away(world: World) {
    let parent = done_later(&world).await;
    let child = world.add(after(&[parent])).await;
    let wish = async |wish| {
        let wished = world.store.wish(child, wish, "me".into(), None);
        wished.await.unwrap();
    };
    wish(Wish::Cancel).await;
    archive(&world, parent).await;
    world.clock.advance(LATER);
    world.store.clear_task(parent, world.now()).await.unwrap();
    assert_eq!(world.count("tasks WHERE pending_parents > 0").await, 0);
    wish(Wish::Retry).await;
    assert_eq!(world.status(child).await, TaskStatus::Ready);
}
