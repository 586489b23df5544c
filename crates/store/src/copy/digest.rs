//! What a table holds, in one number: the same function of the rows that either database gives back.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::layout::Copied;
use super::page::{self, Cells};
use crate::connection::Connection;
use crate::error::Error;
use crate::value::Value;

/// What one end of a migration holds of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over all rows in the order of their keys, in hexadecimal.
    pub checksum: String,
    /// The highest number that a row ever got, where the database gives them out.
    pub last_number: Option<i64>,
}

/// Reads a whole table, page by page.
pub(super) async fn content(connection: &mut Connection, table: &Copied) -> Result<Content, Error> {
    let mut sum = Sha256::new();
    let mut count = 0;
    for column in table.layout.columns() {
        text(&mut sum, column.name);
    }
    let mut after = page::beginning(table);
    while let Some(extent) = page::extent(connection, table, &after).await? {
        for row in page::rows(connection, table, &after, &extent.to).await? {
            add(&mut sum, &row);
            count += 1;
        }
        after = extent.to;
    }
    Ok(Content {
        rows: count,
        checksum: hex(&sum.finalize()),
        last_number: page::given(connection, table).await?,
    })
}

/// Each value begins with what it is, and a text with its length: no two rows look alike.
fn add(sum: &mut Sha256, row: &Cells) {
    for value in &row.0 {
        match value {
            Value::Number(Some(number)) => {
                sum.update([1]);
                sum.update(number.to_be_bytes());
            }
            Value::Text(Some(it)) => {
                sum.update([2]);
                text(sum, it);
            }
            Value::Number(None) | Value::Text(None) => sum.update([0]),
        }
    }
}

fn text(sum: &mut Sha256, it: &str) {
    sum.update((it.len() as u64).to_be_bytes());
    sum.update(it);
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
