//! Opening a server's database. Its tables lie in the first schema of the search path.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{Intent, Opened};
use crate::database::Address;
use crate::error::OpenError;
use crate::migrate::{self, MIGRATIONS, in_time};
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
    let address = Address::Postgres(Box::new(options));
    let connecting = address.connect().await;
    let mut connection = connecting.map_err(|error| migrate::refuse(&what, &error))?;
    let opened = match intent {
        Intent::Create(birth) => {
            Some(migrate::migrate(connection, &what, MIGRATIONS, birth).await?)
        }
        Intent::Existing => {
            let looking = migrate::current(&mut connection, &what, MIGRATIONS);
            let known = in_time(&what, DEADLINE, looking).await?;
            known.map(|known| (connection, known))
        }
    };
    Ok(opened.map(|(connection, known)| Opened {
        address,
        connection: Some(connection),
        known,
        file: None,
    }))
}
