//! Opening a server's database. Its tables lie in the first schema of the search path.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{Intent, Opened};
use crate::connection::Connection;
use crate::database::Address;
use crate::error::OpenError;
use crate::ids::InstanceId;
use crate::migrate::{self, Found, MIGRATIONS, in_time, unavailable};
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

pub(super) async fn open(
    url: &StoreUrl,
    address: &str,
    intent: Intent,
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
    let address = Address::Postgres(Box::new(options));
    let connecting = address.connect().await;
    let connection = connecting.map_err(|error| migrate::refuse(&what, &error))?;
    let opened = match intent {
        Intent::Create => Some(migrate::migrate(connection, &what, MIGRATIONS).await?),
        Intent::Existing => in_time(&what, DEADLINE, existing(connection, &what)).await?,
    };
    Ok(opened.map(|(connection, instance)| Opened {
        address,
        connection: Some(connection),
        instance,
        file: None,
    }))
}

/// The store that is there, where one is.
async fn existing(
    mut connection: Connection,
    what: &str,
) -> Result<Option<(Connection, InstanceId)>, OpenError> {
    let looked = migrate::look(&mut connection).await;
    match looked.map_err(|error| unavailable(what, &error.to_string()))? {
        Found::Empty => Ok(None),
        Found::Foreign => Err(OpenError::Foreign {
            what: what.to_owned(),
        }),
        Found::Store => {
            let instance = migrate::current(&mut connection, what, MIGRATIONS).await?;
            Ok(Some((connection, instance)))
        }
    }
}
