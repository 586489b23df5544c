//! Links: a child learns how its parent ended, whatever way it ended, and what is not needed any
//! more is cancelled by name.

use tenure_guard::TaskId;
use tenure_store::Error;
use tenure_store::event::EventKind;
use tenure_store::life::{LimitsLayer, LinkKind, Outcome, TaskStatus};
use tenure_store::person::{Earnest, Wish};
use tenure_store::task::{NewTask, Parent};

use crate::world::{World, after, exit, insist, limited, on_both, task};

on_both!(
    each_kind_of_link_is_met_by_its_own_ends,
    a_cancelled_parent_is_told_to_its_children_and_theirs,
    what_was_met_stays_met,
    a_parent_that_ended_already_is_found_at_the_add,
    a_pair_of_tasks_has_one_link,
    a_clean_up_learns_what_it_cleans_up_after,
    a_great_many_children_are_told_by_a_few_statements,
    a_tree_of_more_than_fit_a_transaction_is_refused_whole,
);

fn waiting(kind: LinkKind, parent: TaskId) -> NewTask {
    let parents = vec![Parent::Task(parent)];
    match kind {
        LinkKind::Success => after(&[parent]),
        LinkKind::AnyEnd => NewTask {
            after_any_end: parents,
            ..task()
        },
        LinkKind::Failure => NewTask {
            after_failure: parents,
            ..task()
        },
    }
}

/// A task that the breaker gives up at its first bad end.
fn fragile() -> NewTask {
    limited(LimitsLayer {
        max_failures: Some(1),
        ..LimitsLayer::default()
    })
}

async fn children(world: &World, parent: TaskId) -> [TaskId; 3] {
    [
        world.add(waiting(LinkKind::Success, parent)).await,
        world.add(waiting(LinkKind::AnyEnd, parent)).await,
        world.add(waiting(LinkKind::Failure, parent)).await,
    ]
}

async fn statuses(world: &World, ids: [TaskId; 3]) -> [TaskStatus; 3] {
    let rows = world.store.tasks(&ids).await.unwrap();
    [rows[0].status, rows[1].status, rows[2].status]
}

async fn cancel(world: &World, id: TaskId) {
    let cancelled = world.store.wish(id, Wish::Cancel, "ann".into(), None).await;
    cancelled.unwrap();
}

async fn each_kind_of_link_is_met_by_its_own_ends(world: World) {
    use TaskStatus::{Cancelled, Ready, Todo};
    for (code, expected, promoted) in [
        (0, [Ready, Ready, Cancelled], 2),
        (1, [Todo, Ready, Ready], 2),
    ] {
        let parent = world.add(fragile()).await;
        let ids = children(&world, parent).await;
        assert_eq!(statuses(&world, ids).await, [Todo; 3]);
        let ended = world.run_to(exit(code)).await;
        assert_eq!(statuses(&world, ids).await, expected, "exit {code}");
        assert_eq!(ended.promoted.len(), promoted);
        for id in ids {
            cancel_if_open(&world, id).await;
        }
    }
    let parent = world.add(task()).await;
    let ids = children(&world, parent).await;
    cancel(&world, parent).await;
    assert_eq!(statuses(&world, ids).await, [Todo, Ready, Cancelled]);
}

async fn cancel_if_open(world: &World, id: TaskId) {
    if !world.status(id).await.is_finished() {
        cancel(world, id).await;
    }
}

async fn a_cancelled_parent_is_told_to_its_children_and_theirs(world: World) {
    let parent = world.add(task()).await;
    let clean_up = world.add(waiting(LinkKind::Failure, parent)).await;
    let after_that = world.add(waiting(LinkKind::AnyEnd, clean_up)).await;
    let of_that = world.add(waiting(LinkKind::Failure, clean_up)).await;
    let success = world.add(waiting(LinkKind::Success, clean_up)).await;
    let ended = world.run_to(exit(0)).await;
    assert_eq!(ended.promoted, [after_that]);
    assert_eq!(world.status(clean_up).await, TaskStatus::Cancelled);
    assert_eq!(world.status(of_that).await, TaskStatus::Cancelled);
    assert_eq!(world.status(success).await, TaskStatus::Todo);
    let detail = world.store.show(clean_up).await.unwrap();
    let event = detail.events.last().unwrap();
    assert_eq!(event.kind, EventKind::Cancelled);
    assert_eq!(event.payload["by"], "tenure");
    let reason = event.payload["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("task {parent} ")), "{reason}");
}

async fn what_was_met_stays_met(world: World) {
    let parent = world.add(fragile()).await;
    let [_, always, clean_up] = children(&world, parent).await;
    world.run_to(exit(1)).await;
    let retried = world.store.wish(parent, Wish::Retry, "ann".into(), None);
    retried.await.unwrap();
    for id in [always, clean_up] {
        assert_eq!(world.status(id).await, TaskStatus::Ready);
        assert!(
            world.store.show(id).await.unwrap().parents[0]
                .met_at
                .is_some()
        );
    }
    // Cancelled and brought back, it does not wait again.
    cancel(&world, clean_up).await;
    let again = world.store.wish(clean_up, Wish::Retry, "ann".into(), None);
    again.await.unwrap();
    assert_eq!(world.status(clean_up).await, TaskStatus::Ready);
}

async fn a_parent_that_ended_already_is_found_at_the_add(world: World) {
    let done = world.add(task()).await;
    world.run_to(exit(0)).await;
    let given_up = world.add(fragile()).await;
    world.run_to(exit(1)).await;
    for (parent, kind, expected) in [
        (done, LinkKind::Success, TaskStatus::Ready),
        (done, LinkKind::AnyEnd, TaskStatus::Ready),
        (given_up, LinkKind::Failure, TaskStatus::Ready),
        (given_up, LinkKind::AnyEnd, TaskStatus::Ready),
        (given_up, LinkKind::Success, TaskStatus::Todo),
    ] {
        let id = world.add(waiting(kind, parent)).await;
        assert_eq!(world.status(id).await, expected, "{kind}");
    }
    let never = world.store.add(waiting(LinkKind::Failure, done)).await;
    match never {
        Err(Error::Refused { task, why }) => {
            assert_eq!(task, done);
            assert!(why.contains("done already"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

async fn a_pair_of_tasks_has_one_link(world: World) {
    let parent = world.add(task()).await;
    let twice = NewTask {
        after_any_end: vec![Parent::Task(parent)],
        ..after(&[parent])
    };
    let refused = world.store.add(twice).await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    // The cycle goes over links of all kinds.
    let circle = vec![
        NewTask {
            after_failure: vec![Parent::Sibling(1)],
            ..task()
        },
        NewTask {
            after_any_end: vec![Parent::Sibling(0)],
            ..task()
        },
    ];
    let refused = world.store.submit("file", circle).await;
    assert!(
        matches!(&refused, Err(Error::Invalid(problem)) if problem.contains("cycle")),
        "{refused:?}"
    );
}

async fn a_clean_up_learns_what_it_cleans_up_after(world: World) {
    let parent = world.add(fragile()).await;
    world.add(waiting(LinkKind::Failure, parent)).await;
    world.run_to(exit(7)).await;
    let clean_up = world.claim_one().await.tenure;
    let told = world
        .store
        .context(clean_up.task, clean_up.run)
        .await
        .unwrap();
    let result = &told.parents[0];
    assert_eq!((result.id, result.kind), (parent, LinkKind::Failure));
    assert_eq!(result.status, TaskStatus::Blocked);
    assert_eq!(result.outcome, Some(Outcome::Failed.into()));
    assert_eq!(result.reason.as_deref(), Some("exit 7"));
}

/// Lets the server count the statements that change tasks or links. SQLite has no such trigger, and needs
/// none: a statement costs nothing of a link there.
async fn count_statements(world: &World) {
    for statement in [
        "CREATE TABLE counted (what TEXT)",
        "CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO counted VALUES (TG_TABLE_NAME); RETURN NULL; END'",
        "CREATE TRIGGER of_tasks AFTER UPDATE ON tasks
         FOR EACH STATEMENT EXECUTE FUNCTION count_statement()",
        "CREATE TRIGGER of_links AFTER UPDATE ON task_links
         FOR EACH STATEMENT EXECUTE FUNCTION count_statement()",
        "CREATE TRIGGER of_events AFTER INSERT ON events
         FOR EACH STATEMENT EXECUTE FUNCTION count_statement()",
    ] {
        world.execute(statement).await;
    }
}

/// However many children there are, a few statements tell them all.
async fn few_statements(world: &World) {
    if world.is_shared() {
        let counted = world.number("SELECT count(*) FROM counted").await;
        assert!(counted <= 5, "{counted} statements");
        world.execute("DELETE FROM counted").await;
    }
}

async fn a_great_many_children_are_told_by_a_few_statements(world: World) {
    const MANY: usize = 1000;
    let parent = world.running(task()).await;
    world
        .many_children(parent.task, LinkKind::Success, MANY)
        .await;
    let root = world.add(task()).await;
    world.many_children(root, LinkKind::AnyEnd, MANY - 1).await;
    if world.is_shared() {
        count_statements(&world).await;
    }
    let ended = insist(|| world.store.end(parent.clone(), exit(0))).await;
    assert_eq!(ended.promoted.len(), MANY);
    few_statements(&world).await;
    let cancel = || {
        world
            .store
            .cancel_tree(Earnest::Do, root, "ann".into(), None)
    };
    assert_eq!(insist(cancel).await.len(), MANY);
    few_statements(&world).await;
    for (counted, number) in [
        ("tasks WHERE status = 'ready' AND pending_parents = 0", MANY),
        ("events WHERE kind = 'parents_done'", MANY),
        (
            "tasks WHERE status = 'cancelled' AND pending_parents = 0",
            MANY,
        ),
        ("events WHERE kind = 'cancelled'", MANY),
        ("task_links WHERE met_at IS NULL", 0),
    ] {
        let found = world.count(counted).await;
        assert_eq!(found, i64::try_from(number).unwrap(), "{counted}");
    }
}

async fn a_tree_of_more_than_fit_a_transaction_is_refused_whole(world: World) {
    let root = world.add(task()).await;
    world.many_children(root, LinkKind::Success, 10_000).await;
    let cancel = || {
        world
            .store
            .cancel_tree(Earnest::Do, root, "ann".into(), None)
    };
    let refused = loop {
        match cancel().await {
            // A machine that is busy.
            Err(Error::Unavailable(_)) => {}
            refused => break refused,
        }
    };
    match refused {
        Err(Error::Refused { task, why }) => {
            assert_eq!(task, root);
            assert!(why.contains("more than 10000"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.count("tasks WHERE status = 'cancelled'").await, 0);
}
