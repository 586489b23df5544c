//! Looks into the store past every verb and every link, while the server may come and go.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::runtime::Runtime;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A look that comes back.
#[derive(Debug)]
pub struct Watch {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    runtime: Runtime,
}

impl Watch {
    /// Looks into the store at `url`.
    pub fn on(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        Self {
            options: url.parse().expect("the address of a store"),
            connection: None,
            runtime: runtime.expect("a runtime can be made"),
        }
    }

    /// The one number that a query answers; `None` where the server does not answer now.
    pub fn number(&mut self, query: &'static str, value: i64) -> Option<i64> {
        let (kept, options) = (self.connection.take(), self.options.clone());
        let look = async {
            let mut connection = match kept {
                Some(kept) => kept,
                None => options.connect().await?,
            };
            let asked = sqlx::query_scalar(query).bind(value);
            let number = asked.fetch_one(&mut connection).await?;
            Ok::<_, sqlx::Error>((number, connection))
        };
        let looked = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, look).await });
        let (number, connection) = looked.ok()?.ok()?;
        self.connection = Some(connection);
        Some(number)
    }
}
