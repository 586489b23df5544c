//! A page: the rows of one table from behind one key up to another, read at once, and added in one
//! transaction. Whatever a store holds, no more than a page of it is in memory.

use serde_json::{Map, Value as Json};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

use super::CopyError;
use super::layout::{Copied, Kind};
use crate::connection::{Connection, Number};
use crate::error::Error;
use crate::sql::Statement;
use crate::value::{Value, values};
use crate::writer::within_deadline;

/// How many bytes of text a page holds, but for its last row: what a slow link carries well within the
/// deadline of a call.
const BYTES: i64 = 1024 * 1024;

/// A row of any table.
pub(super) struct Cells(pub Vec<Value>);

/// Nothing is a number that is missing, in a text column too: a row cannot tell.
macro_rules! cells {
    ($row:ident) => {
        impl FromRow<'_, $row> for Cells {
            fn from_row(row: &$row) -> Result<Self, sqlx::Error> {
                let cell = |place: usize| match row.try_get(place) {
                    Ok(number) => Ok(Value::Number(number)),
                    Err(_) => row.try_get(place).map(Value::Text),
                };
                (0..row.len()).map(cell).collect::<Result<_, _>>().map(Self)
            }
        }
    };
}
cells!(SqliteRow);
cells!(PgRow);

/// A key that every row's is behind.
pub(super) fn beginning(table: &Copied) -> Vec<Value> {
    let least = |kind: Kind| match kind {
        Kind::Number => Value::from(i64::MIN),
        Kind::Text => Value::from(""),
    };
    let key = table.layout.key.iter();
    key.map(|column| least(column.kind)).collect()
}

/// The last key of a table.
pub(super) async fn last(
    connection: &mut Connection,
    table: &Copied,
) -> Result<Option<Vec<Value>>, Error> {
    let rows = fetch(connection, &table.last, Vec::new()).await?;
    Ok(rows.into_iter().next().map(|row| row.0))
}

/// Where the page behind a key ends.
pub(super) struct Extent {
    pub to: Vec<Value>,
    pub rows: u64,
    pub bytes: i64,
}

/// The extent of the page behind a key; nothing where no row is behind it.
pub(super) async fn extent(
    connection: &mut Connection,
    table: &Copied,
    after: &[Value],
) -> Result<Option<Extent>, Error> {
    let mut found = None;
    for Cells(mut key) in fetch(connection, &table.sizes, after.to_vec()).await? {
        let Some(Value::Number(Some(size))) = key.pop() else {
            return Err(Error::Unreadable(format!(
                "a row of {} without a size",
                table.layout.name
            )));
        };
        let (rows, bytes) = match &found {
            Some(Extent { bytes, .. }) if bytes + size > BYTES => break,
            Some(Extent { rows, bytes, .. }) => (*rows, *bytes),
            None => (0, 0),
        };
        found = Some(Extent {
            to: key,
            rows: rows + 1,
            bytes: bytes + size,
        });
    }
    Ok(found)
}

/// The rows of a page.
pub(super) async fn rows(
    connection: &mut Connection,
    table: &Copied,
    after: &[Value],
    to: &[Value],
) -> Result<Vec<Cells>, Error> {
    let range = [after, to].concat();
    fetch(connection, &table.rows, range).await
}

/// Adds the rows of a page: all of them or none.
pub(super) async fn add(
    connection: &mut Connection,
    table: &Copied,
    rows: &[Cells],
) -> Result<(), CopyError> {
    let objects = rows.iter().map(|row| object(connection, table, row));
    let objects = objects.collect::<Result<Vec<Json>, _>>()?;
    let objects = serde_json::to_string(&objects).map_err(Error::from)?;
    let adding = async { Ok(connection.execute(&table.add, values![objects]).await?) };
    let added = within_deadline(adding).await?;
    if added == rows.len() as u64 {
        Ok(())
    } else {
        let table = table.layout.name;
        let wanted = rows.len();
        let problem = format!("{added} of {wanted} rows of {table} were added");
        Err(Error::Unreadable(problem).into())
    }
}

fn object(connection: &Connection, table: &Copied, row: &Cells) -> Result<Json, CopyError> {
    let mut object = Map::new();
    for (column, value) in table.layout.columns().zip(&row.0) {
        let json = match value {
            Value::Text(Some(text)) if text.contains('\0') && connection.is_shared() => {
                return Err(CopyError::Nul {
                    table: table.layout.name,
                    column: column.name,
                    key: key(table, row),
                });
            }
            Value::Text(text) => Json::from(text.clone()),
            Value::Number(number) => Json::from(*number),
        };
        object.insert(column.name.to_owned(), json);
    }
    Ok(Json::from(object))
}

/// A row's key, for people.
fn key(table: &Copied, row: &Cells) -> String {
    let shown = row
        .0
        .iter()
        .take(table.layout.key.len())
        .map(|value| match value {
            Value::Number(number) => number.unwrap_or_default().to_string(),
            Value::Text(text) => text.clone().unwrap_or_default(),
        });
    shown.collect::<Vec<_>>().join(", ")
}

/// The highest number that a table's rows ever got; nothing where they are not numbered.
pub(super) async fn given(
    connection: &mut Connection,
    table: &Copied,
) -> Result<Option<i64>, Error> {
    if !table.layout.is_numbered {
        return Ok(None);
    }
    let asking = async { Ok(connection.fetch::<Number>(&table.given, Vec::new()).await?) };
    let rows = within_deadline(asking).await?;
    Ok(rows.first().map(|row| row.number))
}

/// Lets numbers go on above this one, as they do at the source, also where its last rows are gone.
pub(super) async fn give(
    connection: &mut Connection,
    table: &Copied,
    number: i64,
) -> Result<(), Error> {
    // No number was ever given out, so the first is the first there too.
    if number == 0 {
        return Ok(());
    }
    within_deadline(async {
        if connection.execute(&table.give, values![number]).await? == 0 {
            connection.execute(&table.begin, values![number]).await?;
        }
        Ok(())
    })
    .await
}

async fn fetch(
    connection: &mut Connection,
    statement: &Statement,
    values: Vec<Value>,
) -> Result<Vec<Cells>, Error> {
    within_deadline(async { Ok(connection.fetch(statement, values).await?) }).await
}
