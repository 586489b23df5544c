//! Several dispatchers that claim at once: no cap is exceeded at any moment, also while what others left
//! is taken back, each task is run once, and nobody goes short because somebody else holds something.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tenure_guard::{TaskId, Tenure};
use tenure_store::claim::{Claimed, Claims, Offer, Wanted};
use tenure_store::event::EventKind;
use tenure_store::ids::EventId;
use tenure_store::life::Outcome;
use tenure_store::read::EventFilter;
use tenure_store::task::{KeyLimit, NewTask, Work};
use tenure_store::{DispatcherId, Store};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::at_once::{Turn, raw, waiting};
use crate::world::{LEASE, World, exit, insist, offer, on_both, start, task};

on_both!(caps_and_keys_hold_however_many_claim_end_and_take_back_at_once,);

const CAP: u32 = 3;
const LIMIT: u32 = 2;
const HOSTS: usize = 5;
const TASKS: usize = 150;

fn of(profile: &str, key: Option<&str>) -> NewTask {
    NewTask {
        work: Work::Assignee(profile.into()),
        limit_key: key.map(|key| KeyLimit {
            key: key.into(),
            limit: LIMIT,
        }),
        ..task()
    }
}

fn offers() -> Vec<Offer> {
    let capped = |profile| Offer {
        max_running: Some(CAP),
        ..offer(profile)
    };
    vec![capped("capped"), offer("free"), capped("also capped")]
}

fn wanted(dispatcher: DispatcherId, room: u32) -> Wanted {
    Wanted {
        dispatcher,
        room,
        offers: offers(),
        labels: Vec::new(),
        batch: None,
        lease: LEASE,
    }
}

/// A dispatcher of four slots on a host of its own.
struct Host {
    store: Store,
    id: DispatcherId,
    /// What it has in hand.
    running: Vec<Tenure>,
    taken: usize,
}

impl Host {
    /// Ends what it has and claims, in one batch as a dispatcher does, until nothing is left to do. Of
    /// what is tried for the first time it leaves a part as a host does that died long ago, with or
    /// without a worker, and takes back what others left so.
    async fn serve(mut self, world: Arc<World>, all: Arc<Barrier>) -> usize {
        all.wait().await;
        while world.count("tasks WHERE status <> 'done'").await > 0 {
            let ending: JoinSet<_> = std::mem::take(&mut self.running)
                .into_iter()
                .map(|tenure| {
                    let store = self.store.clone();
                    async move { insist(|| store.end(tenure.clone(), exit(0))).await.outcome }
                })
                .collect();
            let claiming = insist(|| self.store.claim(wanted(self.id, 4)));
            let (claims, ended) = tokio::join!(claiming, ending.join_all());
            assert!(ended.iter().all(|outcome| *outcome == Outcome::Completed));
            for claimed in claims.claimed {
                self.take(&world, claimed).await;
            }
            let over = insist(|| self.store.lapses("yet another host")).await.over;
            for lapsed in over {
                insist(|| self.store.take_back(&lapsed, "another".into())).await;
            }
        }
        self.taken
    }

    async fn take(&mut self, world: &World, claimed: Claimed) {
        self.taken += 1;
        let left = claimed.attempt == 1 && world.is_shared();
        let run = claimed.tenure.run.0;
        if !(left && run % 9 == 1) {
            insist(|| self.store.start(start(&claimed.tenure))).await;
        }
        if left && run % 9 < 2 {
            let over = format!("UPDATE runs SET lease_until = 0 WHERE run_id = {run}");
            world.execute(&over).await;
        } else {
            self.running.push(claimed.tenure);
        }
    }
}

async fn caps_and_keys_hold_however_many_claim_end_and_take_back_at_once(world: World) {
    let mut tasks = BTreeMap::new();
    for number in 0..TASKS {
        let profile = ["capped", "free", "free", "also capped"][number % 4];
        let key = [Some("one"), Some("another"), None, None, None][number % 5];
        let task = of(profile, key);
        tasks.insert(world.add(task.clone()).await, task);
    }
    let (world, all) = (Arc::new(world), Arc::new(Barrier::new(HOSTS)));
    let mut hosts = JoinSet::new();
    for _ in 0..HOSTS {
        let host = Host {
            store: world.another().await,
            id: DispatcherId::random(),
            running: Vec::new(),
            taken: 0,
        };
        insist(|| host.store.claim(wanted(host.id, 0))).await;
        hosts.spawn(host.serve(Arc::clone(&world), Arc::clone(&all)));
    }
    let shares = hosts.join_all().await;
    let most = most_at_once(&world, &tasks).await;
    for profile in ["capped", "also capped"] {
        assert!(most[profile] <= CAP, "{most:?}");
    }
    for key in ["one", "another"] {
        assert!(most[key] <= LIMIT, "{most:?}");
    }
    assert!(most["free"] > CAP, "nothing happened at once: {most:?}");
    let completed = "runs WHERE outcome = 'completed'";
    assert_eq!(usize::try_from(world.count(completed).await), Ok(TASKS));
    if world.is_shared() {
        assert!(world.count("runs WHERE outcome = 'reclaimed'").await > 0);
        assert!(world.count("runs WHERE outcome = 'never_started'").await > 0);
        // A file knows no queue of those that wait for it, and has one dispatcher.
        let fair = TASKS / 16;
        assert!(shares.iter().all(|share| *share >= fair), "{shares:?}");
    }
}

/// How many ran at once at most, of each profile and with each key: told by the events, which become
/// visible in their order, with what they tell of.
async fn most_at_once(world: &World, tasks: &BTreeMap<TaskId, NewTask>) -> BTreeMap<String, u32> {
    let mut running: BTreeMap<String, u32> = BTreeMap::new();
    let mut most = BTreeMap::new();
    let mut after = EventId(0);
    loop {
        let filter = EventFilter {
            after,
            task: None,
            batch: None,
            kind: None,
            limit: 500,
        };
        let events = world.store.events(&filter).await.unwrap();
        let Some(last) = events.last() else {
            return most;
        };
        after = last.id;
        for event in events {
            assert_ne!(event.kind, EventKind::StaleExit);
            let is_claim = event.kind == EventKind::Claimed;
            if !is_claim && event.kind != EventKind::Ended {
                continue;
            }
            let task = &tasks[&event.task_id.unwrap()];
            let key = task.limit_key.as_ref().map(|limit| limit.key.clone());
            let profile = Some(task.work.profile().to_owned());
            for what in [profile, key].into_iter().flatten() {
                let now = running.entry(what.clone()).or_default();
                *now = if is_claim { *now + 1 } else { *now - 1 };
                let most = most.entry(what).or_default();
                *most = (*now).max(*most);
            }
        }
    }
}

/// Another one's transaction in the middle: it did this, and is not over.
async fn in_the_middle(world: &World, of: &str) -> PgConnection {
    let mut connection = raw(world).await;
    let begun = AssertSqlSafe(format!("BEGIN; {of}"));
    connection.execute(sqlx::raw_sql(begun)).await.unwrap();
    connection
}

async fn over(mut middle: PgConnection) {
    middle.execute("COMMIT").await.unwrap();
}

/// What a claim locks that counts.
fn lock(of: &str) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('tenure {of}', 0))")
}

async fn claim(store: Store, room: u32) -> Claims {
    let me = DispatcherId::random();
    insist(|| store.claim(wanted(me, room))).await
}

fn taken(claims: &Claims) -> Vec<TaskId> {
    claims.claimed.iter().map(|one| one.tenure.task).collect()
}

#[tokio::test]
async fn whoever_counts_waits_until_nobody_else_does_and_then_takes_its_share() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let capped = world.add(of("capped", None)).await;
    let keyed = world.add(of("free", Some("one"))).await;
    for (counted, task) in [("profile capped", capped), ("limit key one", keyed)] {
        let other = in_the_middle(&world, &lock(counted)).await;
        let claiming = tokio::spawn(claim(world.another().await, 1));
        waiting(&world, 1).await;
        over(other).await;
        let claims = claiming.await.unwrap();
        assert_eq!((taken(&claims), claims.contended), (vec![task], false));
    }
}

#[tokio::test]
async fn who_wants_something_else_waits_for_nobody() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let all = ["profile capped", "limit key one"].map(lock).join("; ");
    let other = in_the_middle(&world, &all).await;
    // Each cap and each key has a lock of its own, and none is taken where nothing waits.
    let others = [
        of("free", None),
        of("free", Some("another")),
        of("also capped", None),
    ];
    let mut free = Vec::new();
    for task in others {
        free.push(world.add(task).await);
    }
    assert_eq!(taken(&claim(world.store.clone(), 9).await), free);
    over(other).await;
    // What is full, nobody counts again.
    for _ in 0..=CAP {
        world.add(of("capped", None)).await;
    }
    assert_eq!(claim(world.store.clone(), 9).await.claimed.len(), 3);
    let other = in_the_middle(&world, &all).await;
    let free = world.add(of("free", None)).await;
    let claims = claim(world.store.clone(), 9).await;
    assert_eq!((taken(&claims), claims.contended), (vec![free], false));
    over(other).await;
}

#[tokio::test]
async fn a_claim_holds_no_row_but_those_that_it_takes() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let mut ids = Vec::new();
    for task in [
        of("free", None),
        of("also capped", None),
        of("free", Some("one")),
    ] {
        ids.push(world.add(task).await);
    }
    let turn = Turn::keep(&world).await;
    let first = tokio::spawn(claim(world.store.clone(), 1));
    waiting(&world, 1).await;
    let second = tokio::spawn(claim(world.another().await, 2));
    waiting(&world, 2).await;
    turn.pass().await;
    assert_eq!(taken(&first.await.unwrap()), ids[..1]);
    // It saw three and wanted the best two, of which one was held: so it is told to look again.
    let second = second.await.unwrap();
    assert_eq!((taken(&second), second.contended), (vec![ids[1]], true));
    let third = claim(world.another().await, 2).await;
    assert_eq!((taken(&third), third.contended), (vec![ids[2]], false));
}

#[tokio::test]
async fn who_finds_the_best_ones_held_takes_the_next_and_is_told_where_too_few_are_left() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.add(of("free", None)).await);
    }
    let rows = format!(
        "SELECT 1 FROM tasks WHERE id <= {} FOR NO KEY UPDATE",
        ids[1]
    );
    let other = in_the_middle(&world, &rows).await;
    let claims = claim(world.store.clone(), 2).await;
    assert_eq!(
        (taken(&claims), claims.contended),
        (ids[2..4].to_vec(), false)
    );
    let claims = claim(world.store.clone(), 9).await;
    assert_eq!((taken(&claims), claims.contended), (vec![ids[4]], true));
    let claims = claim(world.store.clone(), 9).await;
    assert_eq!((taken(&claims), claims.contended), (vec![], true));
    over(other).await;
    let claims = claim(world.store.clone(), 9).await;
    assert_eq!(
        (taken(&claims), claims.contended),
        (ids[..2].to_vec(), false)
    );
    assert!(!claim(world.store.clone(), 9).await.contended);
}

#[tokio::test]
async fn a_claim_locks_what_it_counts_when_nothing_is_left_that_its_transaction_could_wait_for() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let running = world.running(task()).await;
    let capped = world.add(of("capped", None)).await;
    let row = format!(
        "SELECT 1 FROM tasks WHERE id = {} FOR NO KEY UPDATE",
        running.task
    );
    let mut other = in_the_middle(&world, &row).await;
    // Both are in the queue before the writer looks into it, the claim first.
    let both = async {
        let store = &world.store;
        let ending = insist(|| store.end(running.clone(), exit(0)));
        tokio::join!(claim(store.clone(), 1), ending)
    };
    let meanwhile = async {
        waiting(&world, 1).await;
        // Were it held already, and this one waited for it, they would wait for each other.
        let is_free = lock("profile capped").replace("pg_advisory", "pg_try_advisory");
        let is_free: bool = sqlx::query_scalar(AssertSqlSafe(is_free))
            .fetch_one(&mut other)
            .await
            .unwrap();
        assert!(is_free);
        over(other).await;
    };
    let ((claims, ended), ()) = tokio::join!(both, meanwhile);
    assert_eq!(
        (taken(&claims), ended.outcome),
        (vec![capped], Outcome::Completed)
    );
}
