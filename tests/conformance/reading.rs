//! The reading verbs: pages, details, events, and what a worker is told.

use tenure_guard::{Report, RunId, TaskId};
use tenure_store::event::EventKind;
use tenure_store::life::{Outcome, RunStatus, TaskStatus};
use tenure_store::read::{EventFilter, TaskFilter};
use tenure_store::task::{NewTask, Work};
use tenure_store::{BatchId, Error, EventId, Store};

use crate::world::{World, after, exit, on_both, report_id, reporting, task};

on_both!(
    the_database_tells_the_time,
    a_page_says_how_many_more_there_are,
    a_run_shows_where_it_stands,
    what_is_not_there_is_named,
    events_are_paged_in_the_order_of_writing,
    events_are_followed_without_a_gap_while_many_write,
    a_worker_is_told_of_its_parents_attempts_and_remarks,
);

async fn the_database_tells_the_time(world: World) {
    let store = Store::open(&world.url).await.unwrap();
    let id = store.add(task()).await.unwrap().id;
    let row = store.show(id).await.unwrap().task;
    let ago = jiff::Timestamp::now().duration_since(row.created_at);
    assert!(ago.abs().as_secs() < 60, "{}", row.created_at);
}

async fn a_page_says_how_many_more_there_are(world: World) {
    let mut ids = Vec::new();
    for place in 0..7 {
        let work = Work::Assignee(if place % 2 == 0 { "even" } else { "odd" }.into());
        ids.push(world.add(NewTask { work, ..task() }).await);
    }
    let done = world.running(task()).await;
    world.end(&done, exit(0)).await;
    let list = async |filter: TaskFilter| {
        let page = world.store.list(&filter).await.unwrap();
        let ids: Vec<TaskId> = page.rows.iter().map(|row| row.id).collect();
        assert!(!page.more.at_least);
        (ids, page.more.number)
    };
    let limit = |limit| TaskFilter {
        limit: Some(limit),
        ..TaskFilter::default()
    };
    assert_eq!(list(TaskFilter::default()).await, (ids.clone(), 0));
    assert_eq!(list(limit(3)).await, (ids[..3].to_vec(), 4));
    assert_eq!(list(limit(0)).await, (Vec::new(), 7));
    let all = TaskFilter {
        all: true,
        ..TaskFilter::default()
    };
    assert_eq!(list(all).await.0.len(), 8);
    let finished = TaskFilter {
        status: Some(TaskStatus::Done),
        ..TaskFilter::default()
    };
    assert_eq!(list(finished).await, (vec![done.task], 0));
    let odd = TaskFilter {
        assignee: Some("odd".into()),
        limit: Some(1),
        ..TaskFilter::default()
    };
    assert_eq!(list(odd).await, (vec![ids[1]], 2));
    let submitted = world
        .store
        .submit("file", vec![task(), task()])
        .await
        .unwrap();
    let batch = TaskFilter {
        batch: Some(submitted.batch),
        limit: Some(1),
        ..TaskFilter::default()
    };
    assert_eq!(list(batch).await, (vec![submitted.tasks[0].id], 1));
    let none = TaskFilter {
        batch: Some(BatchId(99)),
        ..TaskFilter::default()
    };
    assert_eq!(list(none).await, (Vec::new(), 0));
}

async fn a_run_shows_where_it_stands(world: World) {
    let tenure = world.claimed(reporting()).await.tenure;
    let status = async || world.run(tenure.run).await.status;
    assert_eq!(status().await, RunStatus::Claimed);
    world.start(&tenure).await.unwrap();
    assert_eq!(status().await, RunStatus::Running);
    world.store.note_worker(tenure.clone(), 4711).await.unwrap();
    world
        .store
        .heartbeat(tenure.clone(), Some("half".into()))
        .await
        .unwrap();
    world.store.heartbeat(tenure.clone(), None).await.unwrap();
    let fail = Report::Fail {
        reason: "no disk".into(),
    };
    world
        .store
        .report(tenure.clone(), report_id("a"), fail)
        .await
        .unwrap();
    assert_eq!(status().await, RunStatus::Ending);
    world.end(&tenure, exit(0)).await;
    let run = world.run(tenure.run).await;
    assert_eq!(
        (run.status, run.known_outcome()),
        (RunStatus::Ended, Some(Outcome::Failed))
    );
    assert_eq!((run.pid, run.note.as_deref()), (Some(4711), Some("half")));
    assert_eq!(run.warden_pid, Some(crate::world::warden().pid));
    assert_eq!(run.log, Some("/run/log".into()));
    let shown = serde_json::to_string(&world.store.show(tenure.task).await.unwrap()).unwrap();
    assert!(!shown.contains(tenure.lock.expose()), "the lock is shown");
    assert!(
        !shown.contains(tenure.lock.short()),
        "a part of the lock is shown"
    );
}

async fn what_is_not_there_is_named(world: World) {
    let missing = TaskId(7);
    assert!(matches!(
        world.store.show(missing).await,
        Err(Error::NoSuchTask(TaskId(7)))
    ));
    assert!(matches!(
        world.store.runs(missing).await,
        Err(Error::NoSuchTask(_))
    ));
    assert!(matches!(
        world.store.tasks(&[missing]).await,
        Err(Error::NoSuchTask(_))
    ));
    let run = world.store.run(RunId(7)).await;
    assert!(matches!(run, Err(Error::NoSuchRun(RunId(7)))));
    assert_eq!(world.store.newest_event().await.unwrap(), EventId(0));
}

fn since(event: EventId, limit: u32) -> EventFilter {
    EventFilter {
        after: event,
        task: None,
        batch: None,
        kind: None,
        limit,
    }
}

async fn events_are_paged_in_the_order_of_writing(world: World) {
    world.add(task()).await;
    let submitted = world.store.submit("file", vec![task()]).await.unwrap();
    let mine = submitted.tasks[0].id;
    world.claim_all(world.wanted(2)).await;
    let all = world.store.events(&since(EventId(0), 99)).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    let page = world.store.events(&since(all[0].id, 2)).await.unwrap();
    assert_eq!(page, all[1..3]);
    assert_eq!(world.store.newest_event().await.unwrap(), all[3].id);
    let of_task = EventFilter {
        task: Some(mine),
        ..since(EventId(0), 99)
    };
    let of_batch = EventFilter {
        batch: Some(submitted.batch),
        ..since(EventId(0), 99)
    };
    let found = world.store.events(&of_task).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(world.store.events(&of_batch).await.unwrap(), found);
    let claimed = EventFilter {
        kind: Some(EventKind::Claimed),
        ..of_batch
    };
    assert_eq!(world.store.events(&claimed).await.unwrap(), found[1..]);
}

async fn write_many(store: Store) {
    for _ in 0..20 {
        store.add(task()).await.unwrap();
    }
}

async fn events_are_followed_without_a_gap_while_many_write(world: World) {
    let mut writers = Vec::new();
    for _ in 0..4 {
        writers.push(tokio::spawn(write_many(world.another().await)));
    }
    let mut seen = Vec::new();
    while seen.len() < 80 {
        // Asked before the look: what was written by then must be seen.
        let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let last = seen.last().copied().unwrap_or(EventId(0));
        let page = world.store.events(&since(last, 7)).await.unwrap();
        assert!(
            !(finished && page.is_empty()),
            "{} events were missed",
            80 - seen.len()
        );
        seen.extend(page.iter().map(|event| event.id));
        tokio::task::yield_now().await;
    }
    let count = "SELECT count(*) FROM events";
    assert_eq!(world.number(count).await, 80);
}

async fn a_worker_is_told_of_its_parents_attempts_and_remarks(world: World) {
    let parent = world.running(reporting()).await;
    let report = Report::Complete {
        summary: Some("42".into()),
        metadata: Some(serde_json::json!({ "files": 42 })),
        artifacts: Vec::new(),
    };
    world
        .store
        .report(parent.clone(), report_id("a"), report)
        .await
        .unwrap();
    world.end(&parent, exit(0)).await;
    let id = world.add(after(&[parent.task])).await;
    let first = world.running_again().await;
    let remark = world
        .store
        .comment_as_worker(first.clone(), "no disk".into());
    remark.await.unwrap();
    world.end(&first, exit(9)).await;
    world.clock.advance(std::time::Duration::from_mins(1));
    let second = world.claim_one().await.tenure;
    let context = world.store.context(id, second.run).await.unwrap();
    assert_eq!((context.version, context.task.id), (1, id));
    assert_eq!(context.parents[0].summary.as_deref(), Some("42"));
    assert_eq!(context.parents[0].metadata.as_ref().unwrap()["files"], 42);
    assert_eq!(context.attempts.len(), 1);
    assert_eq!(context.attempts[0].outcome, Outcome::Failed);
    assert_eq!(
        (context.attempts[0].attempt, context.attempts[0].run_id),
        (1, first.run)
    );
    assert_eq!(context.comments[0].text, "no disk");
}

/// Futures of the store can be spawned.
#[test]
fn every_call_can_be_awaited_on_any_thread() {
    fn spawnable<T: Send>(_: impl FnOnce(Store) -> T) {}
    spawnable(|store| async move { store.show(TaskId(1)).await });
    spawnable(|store| async move { store.list(&TaskFilter::default()).await });
    spawnable(|store| async move { store.add(task()).await });
    spawnable(|store| async move { store.hold().await });
    spawnable(|store| async move { store.check_file().await });
    spawnable(|store| async move { store.asks(tenure_store::DispatcherId::random()).await });
    spawnable(|store| async move { store.living_dispatchers().await });
    spawnable(|store| async move { store.context(TaskId(1), RunId(1)).await });
    spawnable(|store| async move { store.tasks(&[TaskId(1)]).await });
    spawnable(|store| async move { store.events(&since(EventId(0), 1)).await });
}
