//! Runs in other hands, and how they change hands: once, and only while they are open.

use std::time::Duration;

use tenure_guard::Tenure;
use tenure_store::dispatcher::Dispatcher;
use tenure_store::event::EventKind;
use tenure_store::life::Ask;
use tenure_store::orphan::{MARGIN, Orphan};
use tenure_store::process::ProcessId;
use tenure_store::{DispatcherId, Error};

use crate::world::{LEASE, World, exit, on_both, task, warden};

on_both!(
    a_run_in_other_hands_is_found_with_what_was_written_of_it,
    a_run_of_ones_own_and_a_closed_one_are_no_orphans,
    a_lease_is_over_after_its_margin,
    of_two_that_adopt_one_does,
    a_closed_run_changes_no_hands,
    a_run_that_changed_hands_obeys_the_new_ones,
    where_hosts_share_a_store_each_sees_what_its_own_left,
);

pub const HOST: &str = "host";

fn process() -> ProcessId {
    ProcessId {
        host_id: HOST.into(),
        boot_id: "boot".into(),
        pid_namespace: 1,
        pid: 2,
        start_ticks: 3,
        inode: 4,
    }
}

/// Publishes a dispatcher of that host.
pub async fn publish(world: &World, id: DispatcherId) {
    let dispatcher = Dispatcher {
        id,
        process: process(),
        host_name: "name".into(),
        socket: "/run/tenure.sock".into(),
        version: "0.1.0".into(),
        knows: tenure_store::known_schema(),
        slots: 4,
        profiles: Vec::new(),
        labels: Vec::new(),
        batch: None,
        drain_at: None,
        held: Vec::new(),
    };
    world.store.publish(dispatcher).await.unwrap();
}

/// What another dispatcher of that host finds.
async fn orphans(world: &World) -> Vec<Orphan> {
    let another = DispatcherId::random();
    world.store.orphans(another, HOST).await.unwrap()
}

/// The one orphan that a running run of a dead dispatcher is.
async fn orphaned(world: &World) -> (Tenure, Orphan) {
    publish(world, world.dispatcher).await;
    let tenure = world.running(task()).await;
    let mut orphans = orphans(world).await;
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    (tenure, orphans.remove(0))
}

async fn a_run_in_other_hands_is_found_with_what_was_written_of_it(world: World) {
    let (tenure, orphan) = orphaned(&world).await;
    let unstarted = world.claimed(task()).await.tenure;
    assert_eq!(orphan.tenure, tenure);
    assert_eq!((orphan.attempt, orphan.epoch), (1, 1));
    assert_eq!(orphan.dispatcher, world.dispatcher);
    assert_eq!(orphan.dispatcher_process, Some(process()));
    assert!(!orphan.is_lapsed);
    let standing = orphan.warden.unwrap();
    assert_eq!(standing.process, warden());
    assert!(standing.socket.is_absolute(), "{standing:?}");
    let orphans = orphans(&world).await;
    assert_eq!(orphans.len(), 2);
    assert_eq!(orphans[1].tenure, unstarted);
    assert_eq!(orphans[1].warden, None);
}

async fn a_run_of_ones_own_and_a_closed_one_are_no_orphans(world: World) {
    publish(&world, world.dispatcher).await;
    let tenure = world.running(task()).await;
    let own = world.store.orphans(world.dispatcher, HOST).await.unwrap();
    assert!(own.is_empty(), "{own:?}");
    world.end(&tenure, exit(0)).await;
    assert!(orphans(&world).await.is_empty());
}

async fn a_lease_is_over_after_its_margin(world: World) {
    orphaned(&world).await;
    world.clock.advance(LEASE + MARGIN);
    assert!(!orphans(&world).await[0].is_lapsed);
    world.clock.advance(Duration::from_millis(1));
    assert!(orphans(&world).await[0].is_lapsed);
}

async fn of_two_that_adopt_one_does(world: World) {
    let (tenure, orphan) = orphaned(&world).await;
    let (first, second) = (DispatcherId::random(), DispatcherId::random());
    publish(&world, first).await;
    publish(&world, second).await;
    let another = world.another().await;
    let (one, other) = tokio::join!(
        world.store.adopt(&orphan, first),
        another.adopt(&orphan, second)
    );
    let adopted = [&one, &other].into_iter().flatten().count();
    assert_eq!(adopted, 1, "{one:?} {other:?}");
    for answer in [one, other] {
        match answer {
            Ok(adopted) => assert_eq!((adopted.epoch, adopted.ask), (2, None)),
            Err(error) => assert!(matches!(error, Error::Refused { .. }), "{error}"),
        }
    }
    let seen = world.events(tenure.task).await;
    let told = seen.iter().filter(|kind| **kind == EventKind::Adopted);
    assert_eq!(told.count(), 1);
    // The hands are named beside the epoch: neither alone is enough.
    let winner = orphans(&world).await[0].dispatcher;
    let right_epoch = Orphan {
        epoch: 2,
        ..orphan.clone()
    };
    let right_hands = Orphan {
        dispatcher: winner,
        ..orphan
    };
    for stale in [right_epoch, right_hands] {
        let again = world.store.adopt(&stale, DispatcherId::random()).await;
        assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    }
}

async fn a_closed_run_changes_no_hands(world: World) {
    let (tenure, orphan) = orphaned(&world).await;
    let another = world.claimed(task()).await.tenure;
    let forge = |change: fn(&mut Tenure, Tenure)| {
        let mut forged = orphan.clone();
        change(&mut forged.tenure, another.clone());
        forged
    };
    let forgeries = [
        forge(|tenure, another| tenure.task = another.task),
        forge(|tenure, another| tenure.run = another.run),
        forge(|tenure, another| tenure.lock = another.lock),
    ];
    for forged in forgeries {
        let refused = world.store.adopt(&forged, DispatcherId::random()).await;
        assert!(
            matches!(refused, Err(Error::NotOwner { .. })),
            "{refused:?}"
        );
    }
    world.end(&tenure, exit(0)).await;
    let refused = world.store.adopt(&orphan, DispatcherId::random()).await;
    assert!(
        matches!(refused, Err(Error::NotOwner { .. })),
        "{refused:?}"
    );
}

async fn a_run_that_changed_hands_obeys_the_new_ones(world: World) {
    let (tenure, orphan) = orphaned(&world).await;
    let new = DispatcherId::random();
    publish(&world, new).await;
    world.store.adopt(&orphan, new).await.unwrap();
    let by = "a test".to_owned();
    let asked = world
        .store
        .ask_as_holder(tenure.clone(), Ask::Shutdown, by)
        .await;
    asked.unwrap();
    let asks = world.store.asks(new).await.unwrap();
    assert_eq!(asks, [(tenure.run, Ask::Shutdown)]);
    assert!(world.store.asks(world.dispatcher).await.unwrap().is_empty());
    let found = orphans(&world).await.remove(0);
    assert_eq!((found.dispatcher, found.epoch), (new, 2));
}

async fn where_hosts_share_a_store_each_sees_what_its_own_left(world: World) {
    orphaned(&world).await;
    let another = DispatcherId::random();
    let elsewhere = world.store.orphans(another, "another host").await.unwrap();
    // A file is one host's, whatever its id was when it was written.
    assert_eq!(elsewhere.len(), usize::from(!world.is_shared()));
}
