//! Opening a server's database. Its tables lie in the first schema of the search path.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{Intent, Opened};
use crate::connection::Connection;
use crate::database::Address;
use crate::error::OpenError;
use crate::migrate::{self, MIGRATIONS, unavailable};
use crate::url::StoreUrl;

/// What the server gives up by itself, a little before the caller does, so that nothing of ours
/// lingers there: a statement, a wait for a lock, a transaction whose owner is gone.
const LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "2800"),
    ("lock_timeout", "2500"),
    ("idle_in_transaction_session_timeout", "10000"),
];

pub(super) async fn open(
    url: &StoreUrl,
    address: &str,
    intent: Intent<'_>,
) -> Result<Option<Opened>, OpenError> {
    let what = url.to_string();
    let options = PgConnectOptions::from_str(address)
        .map_err(|error| OpenError::Address {
            url: what.clone(),
            problem: error.to_string(),
        })?
        .application_name("tenure")
        .options(LIMITS)
        .disable_statement_logging();
    let connecting = options.connect().await;
    let connection = connecting.map_err(|error| unavailable(&what, &error.to_string()))?;
    let mut connection = Connection::Postgres(Box::new(connection));
    let known = match intent {
        Intent::Create(birth) => {
            let migrated = migrate::migrate(connection, &what, MIGRATIONS, birth).await?;
            connection = migrated.0;
            migrated.1
        }
        Intent::Existing => match migrate::current(&mut connection, &what, MIGRATIONS).await? {
            Some(known) => known,
            None => return Ok(None),
        },
    };
    Ok(Some(Opened {
        address: Address::Postgres(Box::new(options)),
        connection: Some(connection),
        known,
        file: None,
    }))
}
