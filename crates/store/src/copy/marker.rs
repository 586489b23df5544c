//! Which end of a migration a store is: a table that only such stores have, read whenever one is opened.

use sqlx::FromRow;

use crate::clock::timestamp;
use crate::connection::Connection;
use crate::error::{Error, OpenError};
use crate::ids::InstanceId;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// Which end of a migration a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What is in it goes elsewhere, or went.
    Source,
    /// It is being filled.
    Target,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// What is written down in both ends of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub role: Role,
    /// Both ends have the same one; a migration that was given up leaves its target with one that no
    /// source has any more.
    pub id: uuid::Uuid,
    /// Where the other end is, without a password.
    pub other: String,
    pub begun_at: i64,
    /// From when the source is only what was.
    pub finished_at: Option<i64>,
}

/// The beginning of a store that is to become a copy of another one.
#[derive(Clone, Debug)]
pub(crate) struct Birth {
    pub instance: InstanceId,
    pub marker: Marker,
}

#[derive(FromRow)]
struct Row {
    role: String,
    move_id: String,
    other: String,
    begun_at: i64,
    finished_at: Option<i64>,
}

impl Marker {
    /// What is written down in a store that has the table.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self, Error> {
        let rows = connection.fetch::<Row>(&sql::MARKER, Vec::new()).await?;
        let unreadable = |what: &str| Error::Unreadable(format!("{what} of a migration"));
        let row = rows.into_iter().next();
        let row = row.ok_or_else(|| unreadable("half the beginning"))?;
        Ok(Self {
            role: match row.role.as_str() {
                "source" => Role::Source,
                "target" => Role::Target,
                _ => return Err(unreadable("an unknown end")),
            },
            id: row
                .move_id
                .parse()
                .map_err(|_| unreadable("a malformed name"))?,
            other: row.other,
            begun_at: row.begun_at,
            finished_at: row.finished_at,
        })
    }

    /// Makes the table and writes this into it.
    pub(crate) async fn write(&self, tx: &mut Transaction) -> Result<(), Error> {
        tx.execute(&sql::MAKE_MARKER, Vec::new()).await?;
        let row = values![
            self.role.name(),
            self.id.to_string(),
            self.other.as_str(),
            self.begun_at,
        ];
        tx.execute(&sql::MARK, row).await?;
        Ok(())
    }

    /// Why nobody but its migration may open the store.
    pub(crate) fn refusal(&self, what: &str) -> OpenError {
        let what = what.to_owned();
        let other = self.other.clone();
        match (self.role, self.finished_at) {
            (Role::Target, _) => OpenError::Unfinished { what, from: other },
            (Role::Source, None) => OpenError::Moving { what, to: other },
            (Role::Source, Some(at)) => OpenError::Moved {
                what,
                to: other,
                at: timestamp(at).unwrap_or_default(),
            },
        }
    }
}
