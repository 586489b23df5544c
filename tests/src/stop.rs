//! Nobody writes to a store: because it is locked from outside, or because who would write is
//! stopped.
//!
//! What a stopped process has locked stays locked until it goes on. That is so with every database,
//! and a test that stops a process at any moment finds it out on an unlucky day.

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _, Executor as _, PgConnection, SqliteConnection};
use tenure_store::StoreUrl;
use tokio::runtime::Runtime;

use crate::home::Home;
use crate::process::{Process, Signal};
use crate::wait::{PATIENCE, wait_until};

/// Whether somebody else is at work in this database, or between two statements of a transaction.
const AT_WORK: &str = "SELECT count(*) > 0 FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid() \
    AND backend_type = 'client backend' AND state <> 'idle'";

/// Whoever wants to write to a table waits, or gives up.
const LOCK: &str = "DO $$ DECLARE name text; BEGIN \
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP \
    EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', name); END LOOP; END $$";

/// A lock on a store; the closed connection gives it back.
#[derive(Debug)]
#[expect(dead_code, reason = "held, not read")]
pub struct LockedStore {
    connection: Locked,
    runtime: Runtime,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held, not read")]
enum Locked {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Home {
    /// Keeps everybody else from writing to the store for as long as the answer lives; who reads may.
    ///
    /// # Panics
    /// Where it cannot be locked.
    #[track_caller]
    pub fn lock_store(&self) -> LockedStore {
        let runtime = runtime();
        let connection = runtime.block_on(async {
            match self.store_url() {
                StoreUrl::Sqlite(path) => {
                    let options = SqliteConnectOptions::new().filename(path);
                    let mut connection = options.busy_timeout(PATIENCE).connect().await?;
                    connection.execute("BEGIN IMMEDIATE").await?;
                    Ok::<_, sqlx::Error>(Locked::File(connection))
                }
                StoreUrl::Postgres(address) => {
                    let options: PgConnectOptions = address.parse()?;
                    let mut connection = options.connect().await?;
                    connection.execute("BEGIN").await?;
                    connection.execute(LOCK).await?;
                    Ok(Locked::Server(connection))
                }
            }
        });
        LockedStore {
            connection: connection.expect("the store can be locked"),
            runtime,
        }
    }

    /// Stops a process that writes to the store, at a moment at which it keeps nobody else from
    /// writing.
    ///
    /// # Panics
    /// Where there is no such moment.
    #[track_caller]
    pub fn stop(&self, process: Process) {
        match self.store_url() {
            StoreUrl::Sqlite(_) => {
                let _ours = self.lock_store();
                process.stop();
            }
            StoreUrl::Postgres(address) => {
                let options: PgConnectOptions = address.parse().expect("an address");
                let runtime = runtime();
                let mut connection = runtime
                    .block_on(options.connect())
                    .expect("the server answers");
                wait_until("it is stopped between two transactions", || {
                    process.stop();
                    if runtime.block_on(at_work(&mut connection)) {
                        process.signal(Signal::CONT);
                        return None;
                    }
                    Some(())
                });
                let _ = runtime.block_on(connection.close());
            }
        }
    }
}

async fn at_work(connection: &mut PgConnection) -> bool {
    sqlx::query_scalar(AT_WORK)
        .fetch_one(connection)
        .await
        .expect("the server tells what it does")
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
}
