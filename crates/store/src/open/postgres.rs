//! Opening a server's database. Its tables lie in the first schema of the search path.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::{Intent, Opened};
use crate::database::Address;
use crate::error::OpenError;
use crate::migrate::{self, MIGRATIONS, in_time, unavailable};
use crate::url::{StoreUrl, problem_of_files};
use crate::writer::DEADLINE;

/// What the server gives up by itself, so that nothing of ours lingers there and holds others up: a
/// statement and a wait for a lock a little before the caller gives up, a transaction whose owner
/// says nothing as soon as the caller must have. What not every server knows is set when connected.
const LIMITS: [(&str, &str); 3] = [
    ("statement_timeout", "2800"),
    ("lock_timeout", "2500"),
    ("idle_in_transaction_session_timeout", "3000"),
];

/// With these the server's codes begin where it lets somebody not in: no such role or another password
/// (28), no such database (3D), no permission (42501).
const DENIALS: [&str; 3] = ["28", "3D", "42501"];

pub(super) async fn open(
    url: &StoreUrl,
    address: &str,
    intent: Intent<'_>,
) -> Result<Option<Opened>, OpenError> {
    let what = url.to_string();
    if let Some(problem) = problem_of_files(address) {
        return Err(OpenError::Address { url: what, problem });
    }
    let options = PgConnectOptions::from_str(address)
        .map_err(|error| OpenError::Address {
            url: what.clone(),
            problem: error.to_string(),
        })?
        .application_name("tenure")
        .options(LIMITS)
        .disable_statement_logging();
    let address = Address::Postgres(Box::new(options));
    let reached = address.reach().await;
    let mut connection = reached.map_err(|error| unreached(&what, &error))?;
    let opened = match intent {
        Intent::Create(birth) => {
            Some(migrate::migrate(connection, &what, None, MIGRATIONS, birth).await?)
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

/// Who is not let in waits in vain.
fn unreached(what: &str, error: &sqlx::Error) -> OpenError {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let is_denied = code.is_some_and(|code| DENIALS.iter().any(|denial| code.starts_with(denial)));
    if is_denied {
        return OpenError::Denied {
            what: what.to_owned(),
            problem: error.to_string(),
        };
    }
    unavailable(what, &error.to_string())
}
