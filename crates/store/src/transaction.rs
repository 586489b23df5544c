//! A transaction: one time for all of it, and its events written last, together.

use std::collections::BTreeMap;

use serde::Serialize;
use tenure_guard::{RunId, TaskId};

use crate::clock::Clock;
use crate::connection::{Connection, Number, Row};
use crate::error::Error;
use crate::event::EventKind;
use crate::life::Outcome;
use crate::locked;
use crate::migrate::Versions;
use crate::sql::{self, Statement};
use crate::value::{Value, values};
use crate::watch::Origin;

/// An event that waits for the end of its transaction.
#[derive(Serialize)]
struct Unwritten {
    task: Option<TaskId>,
    run: Option<RunId>,
    kind: EventKind,
    /// JSON in a text, as the table has it.
    payload: String,
}

/// A day, as ends are counted by.
pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Ends of one kind that wait for the end of their transaction.
#[derive(Serialize)]
struct Untold<'a> {
    profile: &'a str,
    outcome: Outcome,
    runs: i64,
    run_ms: i64,
}

/// A transaction that was begun. Dropped, it takes its connection with it, and the database rolls
/// it back.
pub(crate) struct Transaction {
    connection: Connection,
    clock: Clock,
    origin: Origin,
    now: Option<i64>,
    events: Vec<Unwritten>,
    /// How many runs of a profile ended so, and how long they took together.
    ends: BTreeMap<(String, Outcome), (i64, i64)>,
}

impl Transaction {
    /// Begins to write. SQLite takes its write lock at once: taken later it can fail for ever.
    pub(crate) async fn write(mut connection: Connection, clock: &Clock) -> Result<Self, Error> {
        let begin = match &connection {
            Connection::Sqlite(_) => "BEGIN IMMEDIATE",
            Connection::Postgres(_) => "BEGIN",
        };
        match connection.run(begin).await {
            Ok(()) => Ok(Self::begun(connection, clock)),
            Err(error) => Err(locked::explained(&mut connection, error).await),
        }
    }

    /// Begins to write as a writer of an open store does.
    ///
    /// **Invariant:** nothing is written to tables that are not for this program any more. This reads it in the
    /// same breath, and a migration that shuts programs out waits until whoever has read it is through.
    ///
    /// # Errors
    /// [`Error::Outgrown`].
    pub(crate) async fn write_to_store(
        mut connection: Connection,
        clock: &Clock,
    ) -> Result<Self, Error> {
        match connection.begin_to_write().await {
            Ok(versions) => {
                versions.map_or(Ok(()), Versions::check)?;
                Ok(Self::begun(connection, clock))
            }
            Err(error) => Err(locked::explained(&mut connection, error).await),
        }
    }

    /// Begins to read: one moment of the store, however many statements follow.
    pub(crate) async fn read(mut connection: Connection, clock: &Clock) -> Result<Self, Error> {
        let begin = match &connection {
            Connection::Sqlite(_) => "BEGIN",
            Connection::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        connection.run(begin).await?;
        Ok(Self::begun(connection, clock))
    }

    fn begun(connection: Connection, clock: &Clock) -> Self {
        Self {
            connection,
            clock: clock.clone(),
            origin: Origin::default(),
            now: None,
            events: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    /// Names who writes, for whoever is told of it.
    pub(crate) fn by(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The store's time, asked once: everything in this transaction happens at one moment.
    pub(crate) async fn now(&mut self) -> Result<i64, Error> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        let now = match self.clock.told() {
            Some(now) => now,
            None => self.number(&sql::NOW, Vec::new()).await?,
        };
        self.now = Some(now);
        Ok(now)
    }

    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<u64, Error> {
        Ok(self.connection.execute(statement, values).await?)
    }

    pub(crate) async fn fetch<T: Row>(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.connection.fetch(statement, values).await?)
    }

    /// The only row, where there is one.
    pub(crate) async fn fetch_one<T: Row>(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<Option<T>, Error> {
        Ok(self.fetch(statement, values).await?.into_iter().next())
    }

    /// The one number that a statement always answers with.
    pub(crate) async fn number(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<i64, Error> {
        self.fetch_one::<Number>(statement, values)
            .await?
            .map(|row| row.number)
            .ok_or_else(|| Error::Unreadable(format!("{} answered with no row", statement.name)))
    }

    /// **Invariant:** every change of state writes its event in the same transaction. The payload
    /// is an object.
    pub(crate) fn event(
        &mut self,
        task: impl Into<Option<TaskId>>,
        run: impl Into<Option<RunId>>,
        kind: EventKind,
        payload: &serde_json::Value,
    ) {
        self.events.push(Unwritten {
            task: task.into(),
            run: run.into(),
            kind,
            payload: payload.to_string(),
        });
    }

    /// Counts the end of a run that took so long.
    pub(crate) fn tally(&mut self, profile: String, outcome: Outcome, run_ms: i64) {
        let (runs, together) = self.ends.entry((profile, outcome)).or_default();
        *runs += 1;
        *together = together.saturating_add(run_ms);
    }

    /// The connection itself, for scripts of a migration.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Whether leases decide between hosts here.
    pub(crate) fn is_shared(&self) -> bool {
        self.connection.is_shared()
    }

    /// Writes the events: the last thing before the commit, because on PostgreSQL writers take
    /// turns from here on.
    pub(crate) async fn write_events(&mut self) -> Result<(), Error> {
        if self.events.is_empty() {
            return Ok(());
        }
        let now = self.now().await?;
        let events = std::mem::take(&mut self.events);
        let mut added = values![serde_json::to_string(&events)?, now];
        if self.is_shared() {
            let kinds = events.iter().map(|event| event.kind);
            added.push(self.origin.words(kinds).into());
        }
        self.execute(&sql::ADD_EVENTS, added).await?;
        self.write_tallies(now).await
    }

    /// Counts the ends, within the same turn: every end has written its event.
    async fn write_tallies(&mut self, now: i64) -> Result<(), Error> {
        if self.ends.is_empty() {
            return Ok(());
        }
        let ends = std::mem::take(&mut self.ends);
        let untold = ends
            .iter()
            .map(|((profile, outcome), (runs, run_ms))| Untold {
                profile,
                outcome: *outcome,
                runs: *runs,
                run_ms: *run_ms,
            });
        let untold = serde_json::to_string(&untold.collect::<Vec<_>>())?;
        let day = now.div_euclid(DAY_MS);
        self.execute(&sql::ADD_TALLIES, values![untold, day])
            .await?;
        Ok(())
    }

    /// Commits what was written. After an error nobody knows whether it was.
    pub(crate) async fn commit(mut self) -> Result<Connection, Error> {
        self.connection.run("COMMIT").await?;
        Ok(self.connection)
    }

    /// Gives up, and the connection back.
    pub(crate) async fn rollback(mut self) -> Result<Connection, Error> {
        self.connection.run("ROLLBACK").await?;
        Ok(self.connection)
    }
}
