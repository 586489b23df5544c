//! Where connections come from: how each database is addressed, and a few that are kept open.
//!
//! **Invariant:** a connection on which a call broke off is never kept: it is owned by the call, and
//! goes with it. One that the server closed while it was kept is replaced before anything is asked.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::connection::{Connection, Number};
use crate::error::Error;
use crate::ids::InstanceId;
use crate::sql::{self, Statement};
use crate::transaction::Transaction;
use crate::value::Value;
use crate::watch::{Origin, Watch};
use crate::writer::{DEADLINE, within_deadline};

/// How each database is reached.
#[derive(Clone)]
pub(crate) enum Address {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl fmt::Debug for Address {
    /// Only where it leads: a server's options hold its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(options) => write!(f, "{}", options.get_filename().display()),
            Self::Postgres(options) => {
                let database = options.get_database().unwrap_or_default();
                write!(f, "{}/{database}", options.get_host())
            }
        }
    }
}

impl Address {
    /// A connection that may write, within the deadline: from the first packet to the last word of
    /// the handshakes.
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        Ok(self.reach().await?)
    }

    /// The same in the database's own words.
    pub(crate) async fn reach(&self) -> Result<Connection, sqlx::Error> {
        // A handshake is a large future, and few of the calls that hold it come to one.
        let connecting = Box::pin(async {
            match self {
                Self::Sqlite(options) => {
                    let connection = options.connect().await?;
                    Ok(Connection::Sqlite(Box::new(connection)))
                }
                Self::Postgres(options) => {
                    let connection = options.connect().await?;
                    let mut connection = Connection::Postgres(Box::new(connection));
                    connection.execute(&sql::SETTLE_IN, Vec::new()).await?;
                    Ok(connection)
                }
            }
        });
        let limit = format!("nothing within {} s", DEADLINE.as_secs());
        let late = |_| sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, limit));
        tokio::time::timeout(DEADLINE, connecting)
            .await
            .map_err(late)?
    }

    /// A connection that cannot write, where the database knows such a thing.
    pub(crate) async fn connect_to_read(&self) -> Result<Connection, Error> {
        match self {
            Self::Sqlite(options) => {
                let connection = options.clone().read_only(true).connect().await?;
                Ok(Connection::Sqlite(Box::new(connection)))
            }
            Self::Postgres(_) => self.connect().await,
        }
    }
}

/// The connection by which the store was opened, for whoever needs one first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spare(Arc<Mutex<Option<Connection>>>);

impl Spare {
    pub(crate) fn new(connection: Option<Connection>) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    fn take(&self) -> Option<Connection> {
        self.0.lock().ok()?.take()
    }
}

/// A writer's database: one connection, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Database {
    address: Address,
    clock: Clock,
    origin: Origin,
    idle: Option<Connection>,
    spare: Spare,
}

impl Database {
    pub(crate) fn new(address: Address, clock: Clock, origin: Origin, spare: Spare) -> Self {
        Self {
            address,
            clock,
            origin,
            idle: None,
            spare,
        }
    }

    /// Begins to write, on the connection that was kept, else on a new one.
    pub(crate) async fn begin(&mut self) -> Result<Transaction, Error> {
        Ok(self.begun().await?.by(self.origin))
    }

    async fn begun(&mut self) -> Result<Transaction, Error> {
        match self.idle.take().or_else(|| self.spare.take()) {
            Some(kept @ Connection::Sqlite(_)) => {
                Transaction::write_to_store(kept, &self.clock).await
            }
            // A connection that the server closed meanwhile shows it here, before anything was asked.
            Some(kept @ Connection::Postgres(_)) => {
                match Transaction::write_to_store(kept, &self.clock).await {
                    Ok(tx) => Ok(tx),
                    Err(outgrown @ Error::Outgrown { .. }) => Err(outgrown),
                    Err(_) => self.begin_anew().await,
                }
            }
            None => self.begin_anew().await,
        }
    }

    async fn begin_anew(&self) -> Result<Transaction, Error> {
        Transaction::write_to_store(self.address.connect().await?, &self.clock).await
    }

    /// Keeps a connection of which it is known that it does nothing.
    pub(crate) fn keep(&mut self, connection: Connection) {
        self.idle = Some(connection);
    }
}

/// How many read at once: reading is short, and each of these costs PostgreSQL a process.
const READERS: usize = 4;

/// The readers' connections.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    address: Address,
    clock: Clock,
    room: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
    spare: Spare,
}

impl Readers {
    pub(crate) fn new(address: Address, clock: Clock, spare: Spare) -> Self {
        Self {
            address,
            clock,
            room: Arc::new(Semaphore::new(READERS)),
            idle: Arc::default(),
            spare,
        }
    }

    /// Reads one moment of the store, within the deadline.
    pub(crate) async fn read<T>(
        &self,
        reading: impl AsyncFnOnce(&mut Transaction) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let closed = |_| Error::Unavailable("its readers are gone".into());
        within_deadline(async {
            let _room = self.room.acquire().await.map_err(closed)?;
            let mut tx = match self.kept() {
                // A connection that the server closed meanwhile shows it here at the latest.
                Some(kept) => match Transaction::read(kept, &self.clock).await {
                    Ok(tx) => tx,
                    Err(_) => self.fresh().await?,
                },
                None => self.fresh().await?,
            };
            let result = reading(&mut tx).await;
            if let Ok(connection) = tx.rollback().await {
                self.keep(connection);
            }
            result
        })
        .await
    }

    /// Reads one number with one statement, which is one moment by itself, within the deadline.
    pub(crate) async fn number(
        &self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<Option<i64>, Error> {
        let closed = |_| Error::Unavailable("its readers are gone".into());
        within_deadline(async {
            let _room = self.room.acquire().await.map_err(closed)?;
            if let Some(mut kept) = self.kept()
                && let Ok(number) = number(&mut kept, statement, values.clone()).await
            {
                self.keep(kept);
                return Ok(number);
            }
            // The server closed it meanwhile, perhaps: the same question on a new one is the same.
            let mut connection = self.address.connect_to_read().await?;
            let number = number(&mut connection, statement, values).await?;
            self.keep(connection);
            Ok(number)
        })
        .await
    }

    /// Tells what others write.
    pub(crate) fn watch(&self, instance: InstanceId, origin: Origin) -> Watch {
        match &self.address {
            Address::Sqlite(_) => Watch::nothing(),
            Address::Postgres(options) => Watch::listen((**options).clone(), instance, origin),
        }
    }

    /// Whose clock it is.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A connection for something long, which is not one of those that are kept.
    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        self.address.connect_to_read().await
    }

    async fn fresh(&self) -> Result<Transaction, Error> {
        Transaction::read(self.address.connect_to_read().await?, &self.clock).await
    }

    fn kept(&self) -> Option<Connection> {
        let kept = self.idle.lock().ok()?.pop();
        kept.or_else(|| self.spare.take())
    }

    fn keep(&self, connection: Connection) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(connection);
        }
    }
}

async fn number(
    connection: &mut Connection,
    statement: &Statement,
    values: Vec<Value>,
) -> Result<Option<i64>, Error> {
    let rows = connection.fetch::<Number>(statement, values).await?;
    Ok(rows.first().map(|row| row.number))
}

impl Connection {
    /// Closes it and waits until it is: a file's write-ahead log is folded in by the last one.
    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_keeps_an_address_shows_its_password() {
        let options: PgConnectOptions = "postgres://u:hunter2@h/d?sslkey=/k".parse().unwrap();
        let address = Address::Postgres(Box::new(options));
        let spare = Spare::default();
        let readers = Readers::new(address.clone(), Clock::Database, spare.clone());
        let database = Database::new(address, Clock::Database, Origin::random(), spare);
        for shown in [format!("{readers:?}"), format!("{database:?}")] {
            assert!(shown.contains("h/d"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
