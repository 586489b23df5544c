//! Which dispatchers there are, and who may be one.

use std::time::Duration;

use tenure_store::dispatcher::{Dispatcher, PublishedProfile};
use tenure_store::held::{Held, HeldNow};
use tenure_store::life::LimitsLayer;
use tenure_store::process::ProcessId;
use tenure_store::read::Departure;
use tenure_store::{DispatcherId, Error, Store};

use crate::world::{World, on_both};

on_both!(
    a_published_dispatcher_is_found_while_it_lives,
    a_dispatcher_may_publish_again,
    what_a_dispatcher_holds_back_is_read_with_it,
    a_file_has_one_dispatcher_and_a_server_several,
    a_killed_dispatcher_is_not_listed,
    where_nobody_serves_the_last_who_did_is_known_and_how_it_went,
);

fn limited(max_failures: u32) -> LimitsLayer {
    LimitsLayer {
        max_failures: Some(max_failures),
        ..LimitsLayer::default()
    }
}

pub fn dispatcher(pid: i32) -> Dispatcher {
    Dispatcher {
        id: DispatcherId::random(),
        process: ProcessId {
            host_id: "host".into(),
            boot_id: "boot".into(),
            pid_namespace: 1,
            pid,
            start_ticks: 2,
            inode: 3,
        },
        host_name: "name".into(),
        socket: "/run/tenure.sock".into(),
        version: "0.1.0".into(),
        knows: tenure_store::known_schema(),
        slots: 4,
        profiles: vec![PublishedProfile {
            name: "reviewer".into(),
            skills: vec!["rust".into()],
            requires: Vec::new(),
            max_running: Some(2),
            limits: limited(3).into(),
            defaults: limited(9).into(),
        }],
        labels: Vec::new(),
        batch: None,
        drain_at: None,
        held: Vec::new(),
    }
}

async fn a_published_dispatcher_is_found_while_it_lives(world: World) {
    assert!(world.store.living_dispatchers().await.unwrap().is_empty());
    let hold = world.store.hold().await.unwrap();
    let mine = dispatcher(1);
    world.store.publish(mine.clone()).await.unwrap();
    let living = || world.store.living_dispatchers();
    assert_eq!(living().await.unwrap(), std::slice::from_ref(&mine));
    let seen_at = world.store.time().await.unwrap();
    let quiet_since = async || world.store.serving().await.unwrap()[0].quiet_since;
    world.clock.advance(Duration::from_secs(20));
    assert_eq!(quiet_since().await, None);
    world.clock.advance(Duration::from_secs(9));
    assert_eq!(quiet_since().await, world.is_shared().then_some(seen_at));
    world.store.dispatcher_seen(mine.id).await.unwrap();
    world.clock.advance(Duration::from_secs(29));
    assert_eq!(living().await.unwrap().len(), 1);
    world.clock.advance(Duration::from_secs(29));
    // Time decides between hosts; on one host the lock does.
    let expected = usize::from(!world.is_shared());
    assert_eq!(living().await.unwrap().len(), expected);
    world.store.dispatcher_seen(mine.id).await.unwrap();
    world.store.retire(mine.id).await.unwrap();
    assert!(living().await.unwrap().is_empty());
    drop(hold);
}

async fn a_dispatcher_may_publish_again(world: World) {
    let _hold = world.store.hold().await.unwrap();
    let mut mine = dispatcher(1);
    world.store.publish(mine.clone()).await.unwrap();
    mine.profiles.clear();
    mine.slots = 9;
    world.store.publish(mine.clone()).await.unwrap();
    assert_eq!(world.store.living_dispatchers().await.unwrap(), [mine]);
}

async fn what_a_dispatcher_holds_back_is_read_with_it(world: World) {
    let _hold = world.store.hold().await.unwrap();
    let mine = dispatcher(1);
    world.store.publish(mine.clone()).await.unwrap();
    let held = HeldNow {
        profile: "reviewer".into(),
        why: "no such folder".into(),
        held_for: Duration::from_secs(3),
        left: Duration::from_secs(4),
    };
    world.store.hold_back(mine.id, vec![held]).await.unwrap();
    let read = world.store.living_dispatchers().await.unwrap();
    let now = world.store.time().await.unwrap();
    let expected = Held {
        profile: "reviewer".into(),
        why: "no such folder".into(),
        since: now - Duration::from_secs(3),
        until: now + Duration::from_secs(4),
    };
    assert_eq!(read[0].held, [expected]);
    // Published again, it still holds back what it held.
    world.store.publish(mine.clone()).await.unwrap();
    assert_eq!(world.store.living_dispatchers().await.unwrap(), read);
    world.store.hold_back(mine.id, Vec::new()).await.unwrap();
    assert_eq!(world.store.living_dispatchers().await.unwrap(), [mine]);
}

async fn a_file_has_one_dispatcher_and_a_server_several(world: World) {
    let hold = world.store.hold().await.unwrap();
    let mine = dispatcher(1);
    world.store.publish(mine.clone()).await.unwrap();
    let other = world.another().await;
    if world.is_shared() {
        other.hold().await.unwrap();
        return;
    }
    match other.hold().await {
        Err(Error::Held(why)) => {
            let pid = format!("pid {}", std::process::id());
            assert!(why.contains(&pid), "{why}");
            assert!(why.contains(&mine.id.to_string()), "{why}");
            assert!(why.contains("tenure.db"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(other.living_dispatchers().await.unwrap().len(), 1);
    drop(hold);
    other.hold().await.unwrap();
}

async fn a_killed_dispatcher_is_not_listed(world: World) {
    let hold = world.store.hold().await.unwrap();
    world.store.publish(dispatcher(1)).await.unwrap();
    // What the kernel does when its process is killed.
    drop(hold);
    world.clock.advance(Duration::from_secs(31));
    assert!(world.store.living_dispatchers().await.unwrap().is_empty());
    let _next = world.store.hold().await.unwrap();
    assert!(world.store.living_dispatchers().await.unwrap().is_empty());
    let next = dispatcher(2);
    world.store.publish(next.clone()).await.unwrap();
    assert_eq!(world.store.living_dispatchers().await.unwrap(), [next]);
}

async fn where_nobody_serves_the_last_who_did_is_known_and_how_it_went(world: World) {
    let last = async |store: &Store| {
        let (serving, last) = store.serving_or_last().await.unwrap();
        assert_eq!(serving, []);
        last.map(|last| (last.dispatcher.process.pid, last.departure))
    };
    assert_eq!(last(&world.store).await, None);
    let hold = world.store.hold().await.unwrap();
    let first = dispatcher(1);
    world.store.publish(first.clone()).await.unwrap();
    let seen_at = world.store.time().await.unwrap();
    let (serving, nobody) = world.store.serving_or_last().await.unwrap();
    assert_eq!((serving[0].dispatcher.clone(), nobody), (first, None));
    // What the kernel does when its process is killed. Where hosts share a store its silence tells it, or proof.
    drop(hold);
    let elsewhere = world.another().await;
    if world.is_shared() {
        let here = world.another().await;
        here.count_out(|process| process.pid == 1);
        let died = Departure::Died(Some(seen_at));
        assert_eq!(last(&here).await, Some((1, died)));
        world.clock.advance(Duration::from_secs(31));
        let silent = Departure::Silent(seen_at);
        assert_eq!(last(&elsewhere).await, Some((1, silent)));
    } else {
        assert_eq!(last(&elsewhere).await, Some((1, Departure::Died(None))));
    }

    world.clock.advance(Duration::from_secs(1));
    let hold = world.store.hold().await.unwrap();
    let next = dispatcher(2);
    world.store.publish(next.clone()).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    world.store.retire(next.id).await.unwrap();
    drop(hold);
    let now = world.store.time().await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let signed_off = Departure::SignedOff(now);
    assert_eq!(last(&world.store).await, Some((2, signed_off)));

    let hold = world.store.hold().await.unwrap();
    world.store.publish(dispatcher(3)).await.unwrap();
    let seen_at = world.store.time().await.unwrap();
    drop(hold);
    world.clock.advance(Duration::from_secs(31));
    // Whoever takes a file's lock, as `settle` does, signs off for the dead.
    let _settles = world.store.hold().await.unwrap();
    let now = world.store.time().await.unwrap();
    let departure = if world.is_shared() {
        Departure::Silent(seen_at)
    } else {
        Departure::StruckOff(now)
    };
    assert_eq!(last(&world.store).await, Some((3, departure)));
}
