//! A database that does not answer: every call is given up after its deadline, and the same store
//! works again as soon as the database does.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, Executor, SqliteConnection};
use tenure_guard::TaskId;
use tenure_store::read::TaskFilter;
use tenure_store::{Error, Store, StoreUrl};

use crate::world::{World, task};

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
    store.show(id).await.unwrap();
    // A task that is added carries its request, so it may be tried again at once.
    store.add(task()).await.unwrap();
    let page = store.list(&TaskFilter::default()).await.unwrap();
    assert_eq!(page.rows.len(), 2);
}
