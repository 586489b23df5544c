//! A database that does not answer: every call is given up after its deadline, and the same store
//! works again as soon as the database does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};
use tenure_guard::{Reason, RunId, TaskId, Tenure, Verdict};
use tenure_store::read::TaskFilter;
use tenure_store::{DispatcherId, Error, OpenError, Store, StoreUrl};
use tenure_tests::postgres::{Server, Setup};

use crate::world::{LEASE, World, task};

/// Generous: the deadline is 3 s, and the machine may be busy.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_file_that_another_process_keeps_locked_is_unavailable_and_well_again_after() {
    let world = World::sqlite().await;
    let StoreUrl::Sqlite(path) = &world.url else {
        panic!("a file")
    };
    let url = format!("sqlite://{}", path.display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    given_up(&world.store).await;
    let page = world.store.list(&TaskFilter::default()).await.unwrap();
    assert!(page.rows.is_empty(), "reading goes on");
    other.execute("ROLLBACK").await.unwrap();
    world.add(task()).await;
}

/// A write that must be given up in time.
async fn given_up(store: &Store) {
    let begun = Instant::now();
    let refused = store.comment(TaskId(1), "me".into(), "x".into()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
}

/// A way to a server that can be stopped: what is sent then waits, as on a link that is down.
struct Link {
    folder: tempfile::TempDir,
    server: PathBuf,
    down: Arc<AtomicBool>,
}

impl Link {
    /// `url` is of the form that the throwaway server has: a percent-encoded socket folder.
    fn to(url: &str) -> (Self, StoreUrl) {
        let (host, database) = url
            .strip_prefix("postgres://postgres@")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let link = Self {
            server: PathBuf::from(host.replace("%2F", "/")).join(".s.PGSQL.5432"),
            down: Arc::default(),
            folder,
        };
        link.listen();
        let host = link.folder.path().display().to_string().replace('/', "%2F");
        let url = format!("postgres://postgres@{host}/{database}");
        (link, StoreUrl::Postgres(url))
    }

    fn listen(&self) {
        let listener = UnixListener::bind(self.folder.path().join(".s.PGSQL.5432")).unwrap();
        let (server, down) = (self.server.clone(), Arc::clone(&self.down));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = UnixStream::connect(&server).unwrap();
                let ways = [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ];
                for (from, to) in ways {
                    let down = Arc::clone(&down);
                    std::thread::spawn(move || forward(from, to, &down));
                }
            }
        });
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }
}

fn forward(mut from: UnixStream, mut to: UnixStream, down: &AtomicBool) {
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        while down.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Nobody hears that the other end is gone, either.
    while down.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[tokio::test]
async fn a_server_that_hangs_is_unavailable_and_well_again_after() {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let (link, url) = Link::to(&url);
    let store = Store::open(&url).await.unwrap();
    let id = store.add(task()).await.unwrap().id;
    store.show(id).await.unwrap();

    link.set_down(true);
    given_up(&store).await;
    let begun = Instant::now();
    let refused = store.show(id).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());

    link.set_down(false);
    store.show(id).await.unwrap();
    let comment = store.comment(id, "me".into(), "well again".into()).await;
    comment.unwrap();
    let comments = store.show(id).await.unwrap().comments;
    assert_eq!(comments.len(), 1, "{comments:?}");
}

#[tokio::test]
async fn connections_that_the_server_cut_are_replaced() {
    let Some(url) = tenure_tests::postgres::database() else {
        return;
    };
    let url = StoreUrl::Postgres(url);
    let store = Store::open(&url).await.unwrap();
    let id = store.add(task()).await.unwrap().id;
    store.show(id).await.unwrap();
    let StoreUrl::Postgres(address) = &url else {
        panic!("a server")
    };
    let mut other = sqlx::PgConnection::connect(address).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    other.execute(cut).await.unwrap();
    well_again(&store, id).await;
}

/// Everything that keeps connections goes on without an error, on others.
async fn well_again(store: &Store, id: TaskId) {
    store.show(id).await.unwrap();
    assert!(store.may_claim().await.unwrap());
    let comment = store.comment(id, "me".into(), "well again".into()).await;
    comment.unwrap();
    let refused = store.renew(vec![nobodys(id)], LEASE).await.unwrap();
    assert!(matches!(refused[..], [Err(Error::NotOwner { .. })]));
    let comments = store.show(id).await.unwrap().comments;
    assert_eq!(comments.len(), 1, "{comments:?}");
}

/// A claim that nobody made.
fn nobodys(task: TaskId) -> Tenure {
    let lock = format!("{}:{:032x}", DispatcherId::random(), 7);
    Tenure {
        task,
        run: RunId(1),
        lock: lock.parse().unwrap(),
    }
}

#[tokio::test]
async fn whatever_is_asked_of_a_stopped_server_is_given_up_in_time() {
    let Some(server) = Server::start(&Setup::default()) else {
        return;
    };
    let url = StoreUrl::Postgres(server.database());
    let store = Store::open(&url).await.unwrap();
    let id = store.add(task()).await.unwrap().id;
    store.may_claim().await.unwrap();
    server.stop();
    let begun = Instant::now();
    let (written, read, number, renewed, seen, opened) = tokio::join!(
        store.comment(id, "me".into(), "x".into()),
        store.show(id),
        store.may_claim(),
        store.renew(vec![nobodys(id)], LEASE),
        store.dispatcher_seen(DispatcherId::random()),
        Store::open(&url),
    );
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
    assert!(matches!(read, Err(Error::Unavailable(_))), "{read:?}");
    assert!(matches!(number, Err(Error::Unavailable(_))), "{number:?}");
    assert!(matches!(renewed, Err(Error::Unavailable(_))), "{renewed:?}");
    assert!(matches!(seen, Err(Error::Unavailable(_))), "{seen:?}");
    assert!(matches!(opened, Err(OpenError::Unavailable { .. })));
    server.go_on();
    well_again(&store, id).await;
}

#[tokio::test]
async fn a_server_that_was_killed_and_started_again_is_met_without_an_error() {
    let Some(server) = Server::start(&Setup::default()) else {
        return;
    };
    let url = StoreUrl::Postgres(server.database());
    let store = Store::open(&url).await.unwrap();
    let id = store.add(task()).await.unwrap().id;
    store.may_claim().await.unwrap();
    store.renew(vec![nobodys(id)], LEASE).await.unwrap();
    server.kill();
    let away = store.show(id).await;
    assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
    server.start_again();
    well_again(&store, id).await;
}

#[tokio::test]
async fn a_server_that_takes_a_connection_and_says_nothing_is_given_up_in_time() {
    // Silent at once, and in the middle of the handshake.
    for word in [&b""[..], b"S"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut clients = Vec::new();
            for client in listener.incoming() {
                let mut client = client.unwrap();
                client.write_all(word).unwrap();
                clients.push(client);
            }
        });
        let url = StoreUrl::Postgres(format!("postgres://me@{address}/d?sslmode=require"));
        let begun = Instant::now();
        let refused = Store::open_existing(&url).await;
        assert!(matches!(refused, Err(OpenError::Unavailable { .. })));
        assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    }
}

/// A connection beside the store's.
async fn beside(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

#[tokio::test]
async fn whoever_is_cut_off_in_the_middle_of_a_write_soon_holds_nobody_up() {
    let Some(address) = tenure_tests::postgres::database() else {
        return;
    };
    let (link, url) = Link::to(&address);
    let store = Store::open(&url).await.unwrap();
    let id = store.add(task()).await.unwrap().id;
    let mut other = beside(&address).await;
    other
        .execute("BEGIN; LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
        .await
        .unwrap();
    let comment = store.comment(id, "me".into(), "x".into());
    let cut = async {
        // It waits for the lock, with its turn taken: everybody else waits behind it.
        until(&address, "wait_event_type = 'Lock'").await;
        link.set_down(true);
        other.execute("COMMIT").await.unwrap();
    };
    let (refused, ()) = tokio::join!(comment, cut);
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let begun = Instant::now();
    let others = Store::open(&StoreUrl::Postgres(address)).await.unwrap();
    loop {
        match others.comment(id, "me".into(), "y".into()).await {
            Ok(()) => break,
            Err(Error::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(begun.elapsed() < SOON, "still held up");
    }
    let comments = others.show(id).await.unwrap().comments;
    assert_eq!(comments.len(), 1, "{comments:?}");
}

/// Waits until some connection of this database is like that.
async fn until(address: &str, like: &str) {
    let mut other = beside(address).await;
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {like}"
    );
    for _ in 0..1000 {
        let query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(query.as_str()));
        if query.fetch_one(&mut other).await.unwrap() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no connection is like that: {like}");
}

#[tokio::test]
async fn neither_a_long_write_nor_a_locked_run_keeps_other_leases_from_being_renewed() {
    let Some(world) = World::postgres().await else {
        return;
    };
    let StoreUrl::Postgres(address) = &world.url else {
        panic!("a server")
    };
    let (locked, free) = (world.running(task()).await, world.running(task()).await);
    let mut other = beside(address).await;
    let lock = format!(
        "BEGIN; LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE;
         SELECT 1 FROM runs WHERE run_id = {} FOR UPDATE",
        locked.run
    );
    other
        .execute(sqlx::raw_sql(AssertSqlSafe(lock)))
        .await
        .unwrap();
    let writing = world.store.comment(free.task, "me".into(), "x".into());
    let renewing = async {
        until(address, "wait_event_type = 'Lock'").await;
        world.clock.advance(LEASE);
        let shown = vec![locked.clone(), free.clone()];
        world.store.renew(shown, LEASE).await.unwrap()
    };
    let (written, renewed) = tokio::join!(writing, renewing);
    assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
    match &renewed[..] {
        [Err(Error::Unavailable(_)), Ok(renewed)] => assert_eq!(renewed.ask, None),
        other => panic!("{other:?}"),
    }
    other.execute("ROLLBACK").await.unwrap();
    world.clock.advance(LEASE / 2);
    let verdict = world.store.check(&free).await.unwrap();
    assert_eq!(verdict, Verdict::Owned);
    let lapsed = Verdict::StandDown {
        reason: Reason::LeaseExpired,
    };
    let verdict = world.store.check(&locked).await.unwrap();
    assert_eq!(verdict, lapsed);
}
