//! The two ends of a migration: what is found there, whether they fit, and how each is held.

use std::fs::File;
use std::ops::AsyncFnOnce;

use super::layout::Copied;
use super::marker::Role;
use super::{Birth, CopyError, Marker, fence};
use crate::clock::{Clock, timestamp};
use crate::connection::Connection;
use crate::dispatcher::{is_held, take_lock};
use crate::error::{Error, OpenError};
use crate::ids::InstanceId;
use crate::migrate::{self, Known};
use crate::open::{Intent, open};
use crate::sql;
use crate::transaction::Transaction;
use crate::url::StoreUrl;
use crate::value::values;
use crate::writer::within_deadline;

/// How two ends stand to each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A store, and an empty place.
    Fresh,
    /// An earlier attempt did not come to its end.
    BrokenOff,
    /// Everything is there.
    Over { at: jiff::Timestamp },
}

/// Whether a store may move to what was found at another place.
pub(super) fn decide(
    source: &Known,
    target: Option<&Known>,
    from: &str,
    to: &str,
) -> Result<Standing, CopyError> {
    let taken = |holds| {
        Err(CopyError::Taken {
            what: to.to_owned(),
            holds,
        })
    };
    let Some(marker) = &source.marker else {
        return match target.map(|target| target.marker.as_ref().map(|marker| marker.role)) {
            None => Ok(Standing::Fresh),
            Some(Some(Role::Target)) => {
                taken("what another migration, or one that was undone, left")
            }
            Some(Some(Role::Source) | None) => taken("a store"),
        };
    };
    let refused = || Err(marker.refusal(from).into());
    if marker.role == Role::Target {
        return refused();
    }
    match (target, marker.finished_at) {
        (None, None) => Ok(Standing::BrokenOff),
        (None, Some(_)) => refused(),
        (Some(target), finished) => match (&target.marker, finished) {
            (Some(there), _) if there.role == Role::Target && there.id == marker.id => {
                Ok(Standing::BrokenOff)
            }
            (None, Some(at)) if target.instance == source.instance => {
                Ok(Standing::Over { at: timestamp(at)? })
            }
            (_, Some(_)) => refused(),
            (Some(_), None) => taken("what another migration, or one that was undone, left"),
            (None, None) => taken("a store"),
        },
    }
}

/// What is found at the source.
pub(super) async fn look_at_source(from: &StoreUrl) -> Result<Known, CopyError> {
    match open(from, Intent::Existing).await? {
        Some(opened) => Ok(opened.known),
        None => Err(CopyError::NoSource {
            what: from.to_string(),
        }),
    }
}

/// What is found at the target; nothing where it is empty.
pub(super) async fn look_at_target(to: &StoreUrl) -> Result<Option<Known>, CopyError> {
    let taken = |holds| {
        Err(CopyError::Taken {
            what: to.to_string(),
            holds,
        })
    };
    match open(to, Intent::Existing).await {
        Ok(opened) => Ok(opened.map(|opened| opened.known)),
        Err(OpenError::Older { .. } | OpenError::Newer { .. }) => taken("a store"),
        Err(OpenError::Foreign { .. }) => taken("tables of another program"),
        Err(error) => Err(error.into()),
    }
}

/// A connection that only reads a source, which is at rest.
pub(super) async fn reading_at_rest(
    from: &StoreUrl,
    is_fenced: bool,
) -> Result<Connection, CopyError> {
    let what = from.to_string();
    let Some(opened) = open(from, Intent::Existing).await? else {
        return Err(CopyError::NoSource { what });
    };
    let known = opened.known.clone();
    let mut connection = opened.into_reading().await?;
    let (_, version, ours) = migrate::found_now(&mut connection, &what).await?;
    if version != ours {
        return Err(other_tables(what, &known, version, ours));
    }
    if is_fenced {
        return Ok(connection);
    }
    if let StoreUrl::Sqlite(path) = from
        && is_held(path)
    {
        let by = "a dispatcher".to_owned();
        return Err(CopyError::Served { what, by });
    }
    let mut tx = Transaction::read(connection, &Clock::Database).await?;
    fence::at_rest(&mut tx, &what).await?;
    Ok(tx.rollback().await?)
}

/// Both ends have to have just the tables that are copied here: of newer ones something would be left out,
/// though this program may be able to work with them.
fn other_tables(what: String, end: &Known, found: i64, known: i64) -> CopyError {
    let Some(marker) = &end.marker else {
        return CopyError::NewerTables { what, found, known };
    };
    let source_store = match marker.role {
        Role::Source => what.clone(),
        Role::Target => marker.other.clone(),
    };
    CopyError::OtherVersion { what, source_store }
}

/// One end, held: nobody else migrates from or to it.
pub(super) struct End {
    pub what: String,
    pub known: Known,
    /// None after a transaction on it failed: nobody knows what it is still doing.
    connection: Option<Connection>,
    #[expect(dead_code, reason = "held, not read: closing it gives the lock back")]
    lock: Option<File>,
}

impl End {
    async fn open(url: &StoreUrl, birth: Option<&Birth>) -> Result<Self, CopyError> {
        let what = url.to_string();
        let gone = || migrate::unavailable(&what, "it was removed while it was opened");
        let opened = open(url, Intent::Create(birth)).await?.ok_or_else(gone)?;
        let mut connection = opened.connection.ok_or_else(gone)?;
        let served = |by: String| {
            Err(CopyError::Served {
                what: url.to_string(),
                by,
            })
        };
        let lock = match url {
            StoreUrl::Sqlite(path) => match take_lock(path).await? {
                Ok(lock) => Some(lock),
                Err(holder) => return served(format!("a dispatcher or a migration ({holder})")),
            },
            StoreUrl::Postgres(_) => None,
        };
        let holding = connection.fetch::<crate::connection::Number>(&sql::HOLD_MOVE, Vec::new());
        let held = within_deadline(async { Ok(holding.await?) }).await?;
        if held.first().is_none_or(|held| held.number == 0) {
            return served("another migration".to_owned());
        }
        // Whoever had it until now may have changed what it is.
        let (found, version, ours) = migrate::found_now(&mut connection, &what).await?;
        let found = found.ok_or_else(gone)?;
        if version != ours {
            return Err(other_tables(what, &found, version, ours));
        }
        Ok(Self {
            what,
            known: found,
            connection: Some(connection),
            lock,
        })
    }

    /// The source, fenced or not.
    pub async fn of_source(from: &StoreUrl) -> Result<Self, CopyError> {
        let source = Self::open(from, None).await?;
        match &source.known.marker {
            Some(marker) if marker.role == Role::Target => Err(marker.refusal(&source.what).into()),
            Some(_) | None => Ok(source),
        }
    }

    /// The target, made as a copy of that store where nothing is there yet. `from` is the source.
    pub async fn of_target(
        to: &StoreUrl,
        instance: InstanceId,
        source: &Marker,
        from: &str,
    ) -> Result<Self, CopyError> {
        let birth = Birth {
            instance,
            marker: Marker {
                role: Role::Target,
                id: source.id,
                other: from.to_owned(),
                begun_at: source.begun_at,
                finished_at: None,
            },
        };
        let target = Self::open(to, Some(&birth)).await?;
        match &target.known.marker {
            Some(marker) if marker.role == Role::Target && marker.id == source.id => Ok(target),
            // Somebody was faster.
            Some(_) | None => Err(CopyError::Taken {
                what: target.what,
                holds: "a store",
            }),
        }
    }

    /// Puts the fence up; what was written down about it.
    pub async fn fence(&mut self, to: &str) -> Result<Marker, CopyError> {
        let what = self.what.clone();
        let id = uuid::Uuid::new_v4();
        self.write(async |tx| {
            let marker = Marker {
                role: Role::Source,
                id,
                other: to.to_owned(),
                begun_at: tx.now().await?,
                finished_at: None,
            };
            fence::put_up(tx, &marker, &what).await?;
            Ok(marker)
        })
        .await
    }

    /// Writes down where everything goes, where that is another place than at first.
    pub async fn point(&mut self, to: &str) -> Result<(), CopyError> {
        self.write(async |tx| {
            tx.execute(&sql::POINT, values![to]).await?;
            Ok(())
        })
        .await
    }

    /// The connection.
    pub fn connection(&mut self) -> Result<&mut Connection, Error> {
        let lost = || Error::Unavailable("the connection was lost".into());
        self.connection.as_mut().ok_or_else(lost)
    }

    /// Writes in one transaction, within the deadline.
    pub async fn write<T>(
        &mut self,
        act: impl AsyncFnOnce(&mut Transaction) -> Result<T, CopyError>,
    ) -> Result<T, CopyError> {
        let lost = || Error::Unavailable("the connection was lost".into());
        let connection = self.connection.take().ok_or_else(lost)?;
        let written = within_deadline(async {
            let mut tx = Transaction::write(connection, &Clock::Database).await?;
            let answer = match act(&mut tx).await {
                Ok(answer) => answer,
                Err(refused) => return Ok((Err(refused), tx.rollback().await?)),
            };
            Ok((Ok(answer), tx.commit().await?))
        });
        let (answer, connection) = written.await?;
        self.connection = Some(connection);
        answer
    }

    /// Lets PostgreSQL look at what came, so that it finds it by the right indexes from the first
    /// question on. It would do so by itself within a minute, so that it need not succeed.
    pub async fn gather_statistics(&mut self, tables: &[Copied]) {
        let Some(Connection::Postgres(connection)) = &mut self.connection else {
            return;
        };
        for table in tables {
            let looking = sqlx::raw_sql(table.analyze).execute(&mut **connection);
            let looked = within_deadline(async { Ok(looking.await?) }).await;
            if let Err(error) = looked {
                tracing::debug!(table = table.layout.name, error = %error, "not analyzed");
                return;
            }
        }
    }

    /// Closes the connection and waits until it is.
    pub async fn close(mut self) -> Result<(), CopyError> {
        let Some(connection) = self.connection.take() else {
            return Ok(());
        };
        Ok(within_deadline(async { Ok(connection.close().await?) }).await?)
    }
}
