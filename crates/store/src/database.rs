//! Where connections come from: how each database is addressed, and a few that are kept open.

use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection as _};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::connection::{Connection, Number};
use crate::error::Error;
use crate::sql::Statement;
use crate::transaction::Transaction;
use crate::value::Value;
use crate::writer::within_deadline;

/// How each database is reached.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    /// A connection that may write.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(options) => {
                let connection = options.connect().await?;
                Ok(Connection::Sqlite(Box::new(connection)))
            }
            Self::Postgres(options) => {
                let connection = options.connect().await?;
                Ok(Connection::Postgres(Box::new(connection)))
            }
        }
    }

    /// A connection that cannot write, where the database knows such a thing.
    pub(crate) async fn connect_to_read(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(options) => {
                let connection = options.clone().read_only(true).connect().await?;
                Ok(Connection::Sqlite(Box::new(connection)))
            }
            Self::Postgres(_) => self.connect().await,
        }
    }
}

/// The writer's database: one connection, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Database {
    address: Address,
    clock: Clock,
    idle: Option<Connection>,
}

impl Database {
    pub(crate) fn new(address: Address, clock: Clock) -> Self {
        Self {
            address,
            clock,
            idle: None,
        }
    }

    /// The connection that was kept, else a new one.
    pub(crate) async fn writing(&mut self) -> Result<Connection, Error> {
        match self.idle.take() {
            Some(connection) => Ok(connection),
            None => Ok(self.address.connect().await?),
        }
    }

    /// Keeps a connection of which it is known that it does nothing.
    pub(crate) fn keep(&mut self, connection: Connection) {
        self.idle = Some(connection);
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
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
}

impl Readers {
    pub(crate) fn new(address: Address, clock: Clock) -> Self {
        Self {
            address,
            clock,
            room: Arc::new(Semaphore::new(READERS)),
            idle: Arc::default(),
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
            if let Ok(connection) = tx.rollback().await
                && let Ok(mut idle) = self.idle.lock()
            {
                idle.push(connection);
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
            let mut connection = match self.kept() {
                Some(kept) => kept,
                None => self.address.connect_to_read().await?,
            };
            let rows = connection.fetch::<Number>(statement, values).await?;
            if let Ok(mut idle) = self.idle.lock() {
                idle.push(connection);
            }
            Ok(rows.first().map(|row| row.number))
        })
        .await
    }

    /// Whose clock it is.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A connection for something long, which is not one of those that are kept.
    pub(crate) async fn connection(&self) -> Result<Connection, Error> {
        Ok(self.address.connect_to_read().await?)
    }

    async fn fresh(&self) -> Result<Transaction, Error> {
        Transaction::read(self.address.connect_to_read().await?, &self.clock).await
    }

    fn kept(&self) -> Option<Connection> {
        self.idle.lock().ok()?.pop()
    }
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
