//! One connection to one of two databases. They are an enum, not a trait: every operation is
//! written once, and the few places that must know which database it is say so by a `match`.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::error::Error;
use crate::migrate::Versions;
use crate::sql::Statement;
use crate::value::Value;

/// A row that both databases can give.
pub(crate) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A row of one number, called `number`.
#[derive(FromRow)]
pub(crate) struct Number {
    pub number: i64,
}

/// An open connection. One that was dropped in the middle of a call is never used again: nobody
/// knows what it is still doing.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PgConnection>),
}

macro_rules! bound {
    ($query:expr, $values:expr) => {{
        let mut query = $query;
        for value in $values {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        query
    }};
}

impl Connection {
    /// Runs statements without parameters, several at once where `text` has several.
    pub(crate) async fn run(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                sqlx::raw_sql(text).execute(&mut **connection).await?;
            }
            Self::Postgres(connection) => {
                sqlx::raw_sql(text).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// Begins a transaction that writes, and reads in the same breath whose the tables are, which stays so
    /// until its end; nothing where there are none.
    pub(crate) async fn begin_to_write(&mut self) -> Result<Option<Versions>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let begin = concat!("BEGIN IMMEDIATE;\n", include_str!("../sql/versions.sql"));
                let rows = sqlx::raw_sql(begin).fetch_all(&mut **connection).await?;
                rows.last().map(Versions::from_row).transpose()
            }
            Self::Postgres(connection) => {
                let begin = concat!(
                    "BEGIN;\n",
                    include_str!("../sql/postgres/share_tables.sql"),
                    ";\n",
                    include_str!("../sql/versions.sql"),
                );
                let rows = sqlx::raw_sql(begin).fetch_all(&mut **connection).await?;
                rows.last().map(Versions::from_row).transpose()
            }
        }
    }

    /// Runs a statement; answers how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let query = bound!(sqlx::query::<Sqlite>(statement.sqlite), values);
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
            Self::Postgres(connection) => {
                let query = bound!(sqlx::query::<Postgres>(statement.postgres), values);
                Ok(query.execute(&mut **connection).await?.rows_affected())
            }
        }
    }

    /// Runs a statement and reads its rows.
    pub(crate) async fn fetch<T: Row>(
        &mut self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<Vec<T>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let query = bound!(sqlx::query_as::<Sqlite, T>(statement.sqlite), values);
                query.fetch_all(&mut **connection).await
            }
            Self::Postgres(connection) => {
                let query = bound!(sqlx::query_as::<Postgres, T>(statement.postgres), values);
                query.fetch_all(&mut **connection).await
            }
        }
    }

    /// Whether several hosts may share the store, so that leases decide between them.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(_) => true,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let unreadable = matches!(
            error,
            sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
        );
        if unreadable {
            Self::Unreadable(error.to_string())
        } else {
            // The link's or the server's trouble, or a constraint that a race ran into: the same
            // may succeed later.
            Self::Unavailable(error.to_string())
        }
    }
}
