//! What two connections do at once, on PostgreSQL: each waits where it must, and sees what the other
//! did. Who comes first is arranged by the turn of the events, which every writer takes last: while the
//! test has it, the first one has written everything and committed nothing.

use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, PgConnection};
use tenure_guard::{BlockKind, Report, TaskId, Tenure};
use tenure_store::end::Ended;
use tenure_store::event::EventKind;
use tenure_store::life::TaskStatus;
use tenure_store::person::{Granted, Wish};
use tenure_store::{Store, StoreUrl};
use tokio::task::JoinHandle;

use crate::world::{World, after, exit, insist, report_id, task};

/// How long it may take until somebody waits, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// The turn of the events, kept from everybody.
pub struct Turn(PgConnection);

impl Turn {
    pub async fn keep(world: &World) -> Self {
        let mut connection = raw(world).await;
        let turn = "BEGIN; SELECT pg_advisory_xact_lock(7092417533014016372)";
        connection.execute(sqlx::raw_sql(turn)).await.unwrap();
        Self(connection)
    }

    pub async fn pass(mut self) {
        self.0.execute("COMMIT").await.unwrap();
    }
}

pub async fn raw(world: &World) -> PgConnection {
    let StoreUrl::Postgres(url) = &world.url else {
        panic!("a server")
    };
    PgConnection::connect(url).await.unwrap()
}

/// Waits until so many connections wait for a lock.
pub async fn waiting(world: &World, count: i64) {
    let asked = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while world.number(asked).await < count {
        assert!(begun.elapsed() < PATIENCE, "fewer than {count} wait");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn end(store: &Store, tenure: &Tenure) -> JoinHandle<Ended> {
    let (store, tenure) = (store.clone(), tenure.clone());
    tokio::spawn(async move { insist(|| store.end(tenure.clone(), exit(0))).await })
}

fn wish(store: &Store, id: TaskId, wish: Wish) -> JoinHandle<Granted> {
    let store = store.clone();
    tokio::spawn(async move { insist(|| store.wish(id, wish.clone(), "ann".into(), None)).await })
}

fn add_after(store: &Store, parent: TaskId) -> JoinHandle<TaskId> {
    let store = store.clone();
    tokio::spawn(async move { store.add(after(&[parent])).await.unwrap().id })
}

/// One after the other, so that the second comes while the first has everything but its commit.
async fn at_once<A, B>(
    world: &World,
    first: impl FnOnce() -> JoinHandle<A>,
    second: impl FnOnce() -> JoinHandle<B>,
) -> (A, B) {
    let turn = Turn::keep(world).await;
    let first = first();
    waiting(world, 1).await;
    let second = second();
    waiting(world, 2).await;
    turn.pass().await;
    (first.await.unwrap(), second.await.unwrap())
}

/// **Invariant:** a task waits for as many parents as it has links that are not met.
async fn nothing_drifted(world: &World) {
    let drifted = "SELECT count(*) FROM tasks t WHERE t.pending_parents <>
        (SELECT count(*) FROM task_links l WHERE l.child_id = t.id AND l.met_at IS NULL)";
    assert_eq!(world.number(drifted).await, 0);
}

#[tokio::test]
async fn two_parents_that_end_at_once_let_their_child_go_once() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let other = world.another().await;
    let (one, two) = (world.running(task()).await, world.running(task()).await);
    let child = world.add(after(&[one.task, two.task])).await;
    let (first, second) = at_once(&world, || end(&world.store, &one), || end(&other, &two)).await;
    assert_eq!((first.promoted, second.promoted), (vec![], vec![child]));
    assert_eq!(world.status(child).await, TaskStatus::Ready);
    nothing_drifted(&world).await;
}

#[tokio::test]
async fn a_child_that_is_added_while_its_parent_ends_waits_for_nothing() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let other = world.another().await;
    let parent = world.running(task()).await;
    let (_, child) = at_once(
        &world,
        || end(&world.store, &parent),
        || add_after(&other, parent.task),
    )
    .await;
    assert_eq!(world.status(child).await, TaskStatus::Ready);
    world.run_to(exit(0)).await;
    let parent = world.running(task()).await;
    let (child, ended) = at_once(
        &world,
        || add_after(&other, parent.task),
        || end(&world.store, &parent),
    )
    .await;
    assert_eq!(ended.promoted, [child]);
    nothing_drifted(&world).await;
}

#[tokio::test]
async fn a_child_that_a_person_moves_while_its_parent_ends_waits_for_what_is_left() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let other = world.another().await;
    for is_first in [true, false] {
        let (one, two) = (world.running(task()).await, world.running(task()).await);
        let child = world.add(after(&[one.task, two.task])).await;
        wish(&other, child, Wish::Cancel).await.unwrap();
        let retried = || wish(&other, child, Wish::Retry);
        let ended = || end(&world.store, &one);
        if is_first {
            at_once(&world, retried, ended).await;
        } else {
            at_once(&world, ended, retried).await;
        }
        assert_eq!(world.status(child).await, TaskStatus::Todo);
        nothing_drifted(&world).await;
        let force = Wish::Promote { force: true };
        let promoted = || wish(&other, child, force);
        let ended = || end(&world.store, &two);
        if is_first {
            let (_, ended) = at_once(&world, promoted, ended).await;
            assert_eq!(ended.promoted, [], "a person had let it go");
        } else {
            wish(&other, child, Wish::Cancel).await.unwrap();
            let retried = || wish(&other, child, Wish::Retry);
            at_once(&world, ended, retried).await;
        }
        assert_eq!(world.status(child).await, TaskStatus::Ready);
        nothing_drifted(&world).await;
        world.run_to(exit(0)).await;
    }
}

#[tokio::test]
async fn whatever_happens_at_once_no_child_waits_for_more_or_less_than_its_links() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let stores = [
        world.store.clone(),
        world.another().await,
        world.another().await,
    ];
    for round in 0..8 {
        let mut parents = Vec::new();
        for _ in 0..4 {
            parents.push(world.running(task()).await);
        }
        let ids: Vec<TaskId> = parents.iter().map(|parent| parent.task).collect();
        let mut children = Vec::new();
        for child in 0..6 {
            children.push(world.add(after(&ids[child % 3..])).await);
        }
        let mut doing: Vec<JoinHandle<()>> = Vec::new();
        for (place, parent) in parents.into_iter().enumerate() {
            let store = stores[(place + round) % 3].clone();
            doing.push(tokio::spawn(async move {
                insist(|| store.end(parent.clone(), exit(0))).await;
            }));
        }
        for (place, child) in children.iter().copied().enumerate() {
            let store = stores[(place + 1) % 3].clone();
            let wishes = match place % 3 {
                0 => vec![Wish::Cancel, Wish::Retry],
                1 => vec![Wish::Promote { force: true }, Wish::Retry],
                _ => Vec::new(),
            };
            doing.push(tokio::spawn(async move {
                for wish in wishes {
                    // What comes too late is refused, and that is as good.
                    let _ = store.wish(child, wish, "ann".into(), None).await;
                }
            }));
        }
        for done in doing {
            done.await.unwrap();
        }
        nothing_drifted(&world).await;
        for child in children {
            assert_eq!(world.status(child).await, TaskStatus::Ready, "{child}");
            wish(&world.store, child, Wish::Cancel).await.unwrap();
        }
    }
}

#[tokio::test]
async fn two_halves_of_a_circle_that_are_added_at_once_do_not_close_it() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let other = world.another().await;
    let (one, two) = (world.running(task()).await, world.running(task()).await);
    let after_one = world.add(after(&[one.task])).await;
    let after_two = world.add(after(&[two.task])).await;
    for (waits, for_task) in [(&one, after_two), (&two, after_one)] {
        let wait = Report::Wait {
            after: for_task,
            reason: None,
        };
        let reported = world.store.report(waits.clone(), report_id("wait"), wait);
        reported.await.unwrap();
    }
    let (first, second) = at_once(&world, || end(&world.store, &one), || end(&other, &two)).await;
    assert_eq!(first.status, TaskStatus::Todo);
    assert_eq!(second.status, TaskStatus::Blocked);
    let row = world.task(two.task).await;
    assert_eq!(row.block_kind, Some(BlockKind::NeedsInput));
    assert!(row.block_reason.unwrap().contains("circle"));
}

#[tokio::test]
async fn an_end_holds_the_task_before_the_run_as_verbs_do() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let running = world.running(task()).await;
    let mut verb = raw(&world).await;
    let task = format!(
        "BEGIN; SELECT 1 FROM tasks WHERE id = {} FOR NO KEY UPDATE",
        running.task
    );
    let run = format!(
        "SELECT 1 FROM runs WHERE run_id = {} FOR NO KEY UPDATE NOWAIT",
        running.run
    );
    let text = |text: String| sqlx::raw_sql(sqlx::AssertSqlSafe(text));
    verb.execute(text(task)).await.unwrap();
    let ended = end(&world.store, &running);
    waiting(&world, 1).await;
    // Were it held by the end, this would fail, and a verb would wait for ever.
    verb.execute(text(run)).await.unwrap();
    verb.execute("COMMIT").await.unwrap();
    assert_eq!(ended.await.unwrap().status, TaskStatus::Done);
    let events = world.events(running.task).await;
    assert_eq!(events.last(), Some(&EventKind::Ended));
}
