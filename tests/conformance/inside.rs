//! What a worker does in its own store besides reporting: adds tasks, and looks around.

use tenure_guard::wire::MAX_ADDED;
use tenure_guard::{AddId, Reason, TaskId};
use tenure_store::Error;
use tenure_store::person::Wish;
use tenure_store::read::TaskFilter;
use tenure_store::task::{NewTask, Parent};

use crate::world::{World, exit, on_both, reason, task};

on_both!(
    a_worker_adds_a_task_and_is_on_record_as_its_creator,
    the_same_request_adds_once,
    a_stale_worker_adds_nothing_and_sees_nothing,
    a_worker_whose_task_was_taken_away_adds_nothing,
    a_run_adds_so_many_tasks_and_no_more,
    what_a_worker_of_a_batch_adds_belongs_to_the_batch,
    who_adds_a_task_is_no_part_of_what_it_is,
);

fn id(text: &str) -> AddId {
    AddId(text.into())
}

async fn tasks(world: &World) -> i64 {
    world.number("SELECT count(*) FROM tasks").await
}

async fn a_worker_adds_a_task_and_is_on_record_as_its_creator(world: World) {
    let tenure = world.running(task()).await;
    let child = NewTask {
        after: vec![Parent::Task(tenure.task)],
        ..task()
    };
    let add = world.store.add_as_worker(tenure.clone(), id("a"), child);
    let added = add.await.unwrap();
    assert!(added.created);
    let row = world.task(added.id).await;
    assert_eq!(row.created_by, format!("task {}", tenure.task));
    assert_eq!(row.created_by_run, Some(tenure.run));
    let detail = world.store.show(added.id).await.unwrap();
    assert_eq!(detail.parents[0].id, tenure.task);
    assert_eq!(detail.events[0].payload["by"], row.created_by.as_str());

    let seen = world.store.show_as_worker(&tenure, added.id).await.unwrap();
    assert_eq!(seen, detail);
    let all = TaskFilter::default();
    let page = world.store.list_as_worker(&tenure, &all).await.unwrap();
    assert_eq!(page.rows.len(), 2);
}

async fn the_same_request_adds_once(world: World) {
    let tenure = world.running(task()).await;
    let add = async |name: &str| {
        let adding = world.store.add_as_worker(tenure.clone(), id(name), task());
        adding.await.unwrap()
    };
    let first = add("a").await;
    assert_eq!(add("a").await, first);
    assert_ne!(add("b").await.id, first.id);
    assert_eq!(tasks(&world).await, 3);
    // Asked again after the run was closed, the answer is the same: nothing is added by it.
    world.end(&tenure, exit(0)).await;
    assert_eq!(add("a").await, first);
}

async fn a_stale_worker_adds_nothing_and_sees_nothing(world: World) {
    let tenure = world.running(task()).await;
    world.end(&tenure, exit(0)).await;
    let before = tasks(&world).await;
    let add = world.store.add_as_worker(tenure.clone(), id("a"), task());
    let stale = || Reason::TaskNotRunning("done".into());
    assert_eq!(reason(add.await), stale());
    let show = world.store.show_as_worker(&tenure, tenure.task).await;
    assert_eq!(reason(show), stale());
    let all = TaskFilter::default();
    assert_eq!(
        reason(world.store.list_as_worker(&tenure, &all).await),
        stale()
    );
    assert_eq!(tasks(&world).await, before);
}

async fn a_worker_whose_task_was_taken_away_adds_nothing(world: World) {
    let tenure = world.running(task()).await;
    let wish = world
        .store
        .wish(tenure.task, Wish::Cancel, "me".into(), None);
    wish.await.unwrap();
    let add = world.store.add_as_worker(tenure.clone(), id("a"), task());
    assert_eq!(reason(add.await), Reason::Ending("cancel".into()));
    assert_eq!(tasks(&world).await, 1);
}

async fn a_run_adds_so_many_tasks_and_no_more(world: World) {
    let tenure = world.running(task()).await;
    world
        .execute(&format!("UPDATE runs SET added = {}", MAX_ADDED - 1))
        .await;
    let last = world.store.add_as_worker(tenure.clone(), id("a"), task());
    last.await.unwrap();
    let more = world.store.add_as_worker(tenure.clone(), id("b"), task());
    let error = more.await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(error.to_string().contains("1000 tasks"), "{error}");
    // What was added is still found.
    let again = world.store.add_as_worker(tenure.clone(), id("a"), task());
    again.await.unwrap();
}

async fn what_a_worker_of_a_batch_adds_belongs_to_the_batch(world: World) {
    let submitted = world.store.submit("file", vec![task()]).await.unwrap();
    let tenure = world.running_again().await;
    let add = world.store.add_as_worker(tenure, id("a"), task());
    let added = add.await.unwrap();
    assert_eq!(world.task(added.id).await.batch_id, Some(submitted.batch));
}

async fn who_adds_a_task_is_no_part_of_what_it_is(world: World) {
    let by = |who: &str| NewTask {
        key: Some("k".into()),
        created_by: who.into(),
        ..task()
    };
    let first = world.store.add(by("ada")).await.unwrap();
    let again = world.store.add(by("bob")).await.unwrap();
    assert_eq!((again.id, again.created), (first.id, false));
    assert_eq!(world.task(first.id).await.created_by, "ada");
    assert_eq!(world.task(TaskId(first.id.0)).await.created_by_run, None);
}
