//! Adding tasks: whole or not at all, once for each key.

use std::time::Duration;

use tenure_guard::TaskId;
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::life::{LimitsLayer, TaskStatus};
use tenure_store::task::{NewTask, NotBefore, Parent, Work};

use crate::world::{World, after, exit, on_both, task};

on_both!(
    a_task_reads_back_as_it_was_given,
    eight_concurrent_adds_with_one_key_make_one_task,
    a_key_with_other_content_is_taken,
    a_submission_is_taken_whole_or_not_at_all,
    siblings_may_stand_in_any_order,
    thousands_come_at_once_each_behind_its_parent_and_under_its_key,
    a_circle_is_refused_by_name,
    what_a_task_cannot_be_is_refused_by_field_and_value,
    many_adds_at_once_are_all_kept_and_a_bad_one_among_them_fails_alone,
);

async fn count(world: &World) -> i64 {
    world.number("SELECT count(*) FROM tasks").await
}

async fn a_task_reads_back_as_it_was_given(world: World) {
    let parent = world.add(task()).await;
    let new = NewTask {
        name: Some("it".into()),
        title: Some("a title".into()),
        body: "body\nof two lines".into(),
        after: vec![Parent::Task(parent), Parent::Task(parent)],
        priority: -3,
        skills: vec!["rust".into(), "review".into()],
        not_before: Some(NotBefore::In(Duration::from_mins(1))),
        env: [("A".into(), "b=c".into())].into(),
        key: Some("the key".into()),
        limits: LimitsLayer {
            max_failures: Some(9),
            ..LimitsLayer::default()
        },
        ..NewTask::new(Work::Assignee("reviewer".into()), "/srv/ü".into())
    };
    let id = world.add(new.clone()).await;
    let detail = world.store.show(id).await.unwrap();
    let row = detail.task;
    assert_eq!(
        (row.name, row.title, row.body),
        (new.name, "a title".into(), new.body)
    );
    assert_eq!((row.assignee.as_str(), row.command), ("reviewer", None));
    assert_eq!((row.priority, row.skills), (-3, new.skills));
    assert_eq!(
        (row.cwd, row.env, row.key),
        (new.cwd, new.env.into(), new.key)
    );
    assert_eq!(
        (row.limits, row.status),
        (new.limits.into(), TaskStatus::Todo)
    );
    let wait = row.not_before.unwrap().duration_since(row.created_at);
    assert_eq!(wait.as_secs(), 60);
    assert_eq!(detail.parents.len(), 1);
    assert_eq!(world.store.show(parent).await.unwrap().children[0].id, id);
    assert_eq!(world.events(id).await, [EventKind::Added]);
}

fn keyed(body: &str) -> NewTask {
    NewTask {
        key: Some("one".into()),
        body: body.into(),
        ..task()
    }
}

async fn eight_concurrent_adds_with_one_key_make_one_task(world: World) {
    let mut adders = Vec::new();
    for _ in 0..8 {
        let store = world.another().await;
        adders.push(tokio::spawn(async move { store.add(keyed("same")).await }));
    }
    let mut added = Vec::new();
    for adder in adders {
        added.push(adder.await.unwrap().unwrap());
    }
    assert_eq!(added.iter().filter(|added| added.created).count(), 1);
    assert!(added.iter().all(|other| other.id == added[0].id));
    assert_eq!(count(&world).await, 1);
}

async fn a_key_with_other_content_is_taken(world: World) {
    let id = world.add(keyed("first")).await;
    match world.store.add(keyed("second")).await {
        Err(Error::KeyTaken { key, task }) => assert_eq!((key.as_str(), task), ("one", id)),
        other => panic!("{other:?}"),
    }
    let mixed = vec![task(), keyed("first")];
    let submitted = world.store.submit("file", mixed).await.unwrap();
    let created: Vec<bool> = submitted.tasks.iter().map(|added| added.created).collect();
    assert_eq!(created, [true, false]);
    let parent = world.add(task()).await;
    let another_parent = NewTask {
        after: vec![Parent::Task(parent)],
        ..keyed("first")
    };
    let refused = world.store.add(another_parent).await;
    assert!(
        matches!(refused, Err(Error::KeyTaken { .. })),
        "{refused:?}"
    );
}

async fn a_submission_is_taken_whole_or_not_at_all(world: World) {
    world.add(keyed("first")).await;
    let before = world.number("SELECT count(*) FROM events").await;
    for last in [after(&[TaskId(4711)]), keyed("other")] {
        let refused = world.store.submit("file", vec![task(), last]).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(count(&world).await, 1);
    assert_eq!(world.number("SELECT count(*) FROM batches").await, 0);
    assert_eq!(world.number("SELECT count(*) FROM events").await, before);
}

fn named(name: &str, after: &[usize]) -> NewTask {
    NewTask {
        name: Some(name.into()),
        after: after.iter().copied().map(Parent::Sibling).collect(),
        ..task()
    }
}

async fn siblings_may_stand_in_any_order(world: World) {
    let tasks = vec![
        named("last", &[1, 2]),
        named("middle", &[2]),
        named("first", &[]),
    ];
    let submitted = world.store.submit("file", tasks).await.unwrap();
    let ids: Vec<TaskId> = submitted.tasks.iter().map(|added| added.id).collect();
    let rows = world.store.tasks(&ids).await.unwrap();
    let names: Vec<_> = rows.iter().filter_map(|row| row.name.as_deref()).collect();
    assert_eq!(names, ["last", "middle", "first"]);
    assert!(rows.iter().all(|row| row.batch_id == Some(submitted.batch)));
    assert_eq!(world.run_to(exit(0)).await.promoted, [ids[1]]);
    assert_eq!(world.run_to(exit(0)).await.promoted, [ids[0]]);
    let rows = world.store.tasks(&ids).await.unwrap();
    let statuses: Vec<_> = rows.iter().map(|row| row.status).collect();
    let [ready, done] = [TaskStatus::Ready, TaskStatus::Done];
    assert_eq!(statuses, [ready, done, done]);
}

/// Two of three wait for the one before them; of some both have keys.
fn thousands() -> Vec<NewTask> {
    let one = |number: usize| NewTask {
        after: match number % 3 {
            0 => Vec::new(),
            _ => vec![Parent::Sibling(number - 1)],
        },
        key: (number % 300 < 2).then(|| format!("key {number}")),
        ..task()
    };
    (0..2500).map(one).collect()
}

async fn thousands_come_at_once_each_behind_its_parent_and_under_its_key(world: World) {
    let first = world.store.submit("file", thousands()).await.unwrap();
    let ids: Vec<TaskId> = first.tasks.iter().map(|added| added.id).collect();
    assert!(ids.is_sorted() && ids.len() == 2500);
    let behind =
        "SELECT count(*) FROM task_links WHERE child_id = parent_id + 1 AND met_at IS NULL";
    assert_eq!(world.number(behind).await, 1666);
    let waiting = "SELECT count(*) FROM tasks WHERE status = 'todo' AND pending_parents = 1";
    assert_eq!(world.number(waiting).await, 1666);
    let ready = "SELECT count(*) FROM tasks WHERE status = 'ready' AND pending_parents = 0";
    assert_eq!(world.number(ready).await, 834);
    let second = world.store.submit("file", thousands()).await.unwrap();
    let found: Vec<TaskId> = second
        .tasks
        .iter()
        .filter(|added| !added.created)
        .map(|added| added.id)
        .collect();
    let keyed = (0..2500).filter(|number| number % 300 < 2);
    let keyed: Vec<TaskId> = keyed.map(|number| ids[number]).collect();
    assert_eq!(found, keyed);
    assert_eq!(count(&world).await, 5000 - 18);
}

async fn a_circle_is_refused_by_name(world: World) {
    let tasks = vec![
        named("a", &[]),
        named("b", &[0, 3]),
        named("c", &[1]),
        named("d", &[2]),
        named("e", &[3]),
    ];
    match world.store.submit("file", tasks).await {
        Err(Error::Invalid(why)) => {
            for name in ["\"b\"", "\"c\"", "\"d\""] {
                assert!(why.contains(name), "{why}");
            }
            assert!(!why.contains("\"a\"") && !why.contains("\"e\""), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(count(&world).await, 0);
}

/// Makes a good task a wrong one.
type Spoil = fn(&mut NewTask);

fn variable(task: &mut NewTask, name: &str) {
    task.env.insert(name.into(), "x".into());
}

async fn what_a_task_cannot_be_is_refused_by_field_and_value(world: World) {
    let cases: [(&str, Spoil); 14] = [
        ("TENURE_DB", |task| variable(task, "TENURE_DB")),
        ("A=B", |task| variable(task, "A=B")),
        ("NUL", |task| task.body = "a\0b".into()),
        ("title", |task| task.title = Some(String::new())),
        ("command", |task| task.work = Work::Command(vec![])),
        ("command", |task| {
            task.work = Work::Command(vec![String::new()]);
        }),
        ("shell", |task| task.work = Work::Assignee("shell".into())),
        ("assignee", |task| {
            task.work = Work::Assignee(String::new());
        }),
        ("some/where", |task| task.cwd = "some/where".into()),
        ("max_lost", |task| task.limits.max_lost = Some(0)),
        ("key", |task| task.key = Some(String::new())),
        ("itself", |task| task.after = vec![Parent::Sibling(0)]),
        ("task 3", |task| task.after = vec![Parent::Sibling(2)]),
        ("skills", |task| task.skills = vec![String::new()]),
    ];
    for (word, make_wrong) in cases {
        let mut wrong = task();
        make_wrong(&mut wrong);
        match world.store.add(wrong).await {
            Err(Error::Invalid(why)) => assert!(why.contains(word), "{word}: {why}"),
            other => panic!("{word}: {other:?}"),
        }
    }
    let orphan = world.store.add(after(&[TaskId(4711)])).await;
    assert!(matches!(orphan, Err(Error::NoSuchTask(TaskId(4711)))));
    assert_eq!(count(&world).await, 0);
}

async fn many_adds_at_once_are_all_kept_and_a_bad_one_among_them_fails_alone(world: World) {
    let mut adders = Vec::new();
    for place in 0..40 {
        let store = world.store.clone();
        let new = if place % 10 == 3 {
            after(&[TaskId(4711)])
        } else {
            task()
        };
        adders.push(tokio::spawn(async move { store.add(new).await }));
    }
    let mut ids = Vec::new();
    for (place, adder) in adders.into_iter().enumerate() {
        match adder.await.unwrap() {
            Ok(added) => ids.push(added.id),
            Err(Error::NoSuchTask(_)) => assert_eq!(place % 10, 3),
            Err(other) => panic!("{other:?}"),
        }
    }
    ids.dedup();
    assert_eq!((ids.len(), count(&world).await), (36, 36));
    assert_eq!(world.number("SELECT count(*) FROM events").await, 36);
}
