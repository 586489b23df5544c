//! What no verb writes into a store: another process under a run, a time long past.

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tenure_store::StoreUrl;

use crate::home::Home;

impl Home {
    /// Changes the store past every verb, by one statement.
    ///
    /// # Panics
    /// Where the statement fails.
    #[track_caller]
    pub fn forge(&self, statement: String) {
        let statement = AssertSqlSafe(statement);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let done = runtime.block_on(async {
            match self.store_url() {
                StoreUrl::Sqlite(path) => {
                    let options = SqliteConnectOptions::new().filename(path);
                    options.connect().await?.execute(statement).await.map(drop)
                }
                StoreUrl::Postgres(address) => {
                    let options: PgConnectOptions = address.parse()?;
                    options.connect().await?.execute(statement).await.map(drop)
                }
            }
        });
        done.expect("the statement is carried out");
    }
}
