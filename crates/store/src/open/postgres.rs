//! Opening a server's database. Its tables lie in the first schema of the search path.

use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{Intent, Opened};
use crate::connection::Connection;
use crate::copy::Birth;
use crate::database::Address;
use crate::error::{Error, OpenError};
use crate::migrate::{self, Known, MIGRATIONS, unavailable};
use crate::url::StoreUrl;
use crate::writer::DEADLINE;

/// What the server gives up by itself, so that nothing of ours lingers there and holds others up: a
/// statement and a wait for a lock a little before the caller gives up, a transaction whose owner
/// says nothing as soon as the caller must have. What not every server knows is set when connected.
const LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "2800"),
    ("lock_timeout", "2500"),
    ("idle_in_transaction_session_timeout", "3000"),
];

/// How long bringing the tables up to date may take. Nobody works with them meanwhile.
const MIGRATION: Duration = Duration::from_mins(10);

pub(super) async fn open(
    url: &StoreUrl,
    address: &str,
    intent: Intent<'_>,
) -> Result<Option<Opened>, OpenError> {
    let what = url.to_string();
    let away = |error: Error| migrate::refuse(&what, &error);
    let options = PgConnectOptions::from_str(address)
        .map_err(|error| OpenError::Address {
            url: what.clone(),
            problem: error.to_string(),
        })?
        .application_name("tenure")
        .options(LIMITS)
        .disable_statement_logging();
    let address = Address::Postgres(Box::new(options));
    let mut connection = address.connect().await.map_err(away)?;
    let found = current(&mut connection, &what).await;
    let (connection, known) = match (found, intent) {
        (Ok(Some(known)), _) => (connection, known),
        (Ok(None), Intent::Existing) => return Ok(None),
        (Ok(None), Intent::Create(birth)) => bring_up_to_date(connection, &what, birth).await?,
        (Err(OpenError::Older { .. }), Intent::Create(_)) => {
            bring_up_to_date(connection, &what, None).await?
        }
        (Err(error), _) => return Err(error),
    };
    Ok(Some(Opened {
        address,
        connection: Some(connection),
        known,
        file: None,
    }))
}

async fn current(connection: &mut Connection, what: &str) -> Result<Option<Known>, OpenError> {
    let reading = migrate::current(connection, what, MIGRATIONS);
    let read = tokio::time::timeout(DEADLINE, reading).await;
    read.unwrap_or_else(|_| Err(silent(what, DEADLINE)))
}

async fn bring_up_to_date(
    connection: Connection,
    what: &str,
    birth: Option<&Birth>,
) -> Result<(Connection, Known), OpenError> {
    let migrating = migrate::migrate(connection, what, MIGRATIONS, birth);
    let migrated = tokio::time::timeout(MIGRATION, migrating).await;
    migrated.unwrap_or_else(|_| Err(silent(what, MIGRATION)))
}

fn silent(what: &str, limit: Duration) -> OpenError {
    unavailable(what, &format!("nothing within {} s", limit.as_secs()))
}
