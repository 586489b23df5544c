//! Whoever watches a server's store is told what others write, and not what it wrote itself.

use std::time::Duration;

use tenure_store::watch::{Change, Watch};
use tenure_store::{Store, StoreUrl};
use tenure_tests::postgres::{Server, Setup};

use crate::world::{World, task};

/// Generous: the machine may be busy.
const SOON: Duration = Duration::from_secs(20);

async fn told(watch: &mut Watch) -> Change {
    let told = tokio::time::timeout(SOON, watch.next()).await;
    told.expect("somebody wrote")
}

/// Nothing more is told for a moment.
async fn silence(watch: &mut Watch) {
    let told = tokio::time::timeout(Duration::from_millis(300), watch.next()).await;
    assert!(told.is_err(), "{told:?}");
}

#[tokio::test]
async fn what_others_write_is_told_and_whether_a_dispatcher_has_to_act_on_it() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let mut watch = world.store.watch();
    assert!(watch.is_told());
    assert_eq!(told(&mut watch).await, Change::Work, "what was missed");
    let other = world.another().await;
    let id = other.add(task()).await.unwrap().id;
    assert_eq!(told(&mut watch).await, Change::Work);
    other.comment(id, "me".into(), "x".into()).await.unwrap();
    assert_eq!(told(&mut watch).await, Change::Any);
    world
        .store
        .comment(id, "me".into(), "y".into())
        .await
        .unwrap();
    world.add(task()).await;
    silence(&mut watch).await;
}

#[tokio::test]
async fn a_watch_that_was_interrupted_says_so_when_it_sees_again() {
    let Some(server) = Server::start(&Setup::default()) else {
        return;
    };
    let url = StoreUrl::Postgres(server.database());
    let store = Store::open(&url).await.unwrap();
    let mut watch = store.watch();
    assert_eq!(told(&mut watch).await, Change::Work);
    server.kill();
    silence(&mut watch).await;
    server.start_again();
    assert_eq!(told(&mut watch).await, Change::Work, "what was missed");
    let other = Store::open(&url).await.unwrap();
    other.add(task()).await.unwrap();
    assert_eq!(told(&mut watch).await, Change::Work);
}

#[tokio::test]
async fn a_file_tells_nobody() {
    let world = World::sqlite().await;
    let mut watch = world.store.watch();
    assert!(!watch.is_told());
    world.another().await.add(task()).await.unwrap();
    silence(&mut watch).await;
}
