//! Whom a migration would shut out: dispatchers that live, and could not go on with the tables after it.

use std::path::Path;

use sqlx::FromRow;

use super::refuse;
use crate::clock::{millis, timestamp};
use crate::connection::Connection;
use crate::dispatcher::{LIVING, is_held};
use crate::error::{Error, OpenError};
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// Tables from this version on say what each dispatcher knows.
const SAYS_WHO_KNOWS: i64 = 4;

/// A way from one version to another that not every program can follow.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub found: i64,
    pub known: i64,
    pub compatible_from: i64,
}

#[derive(FromRow)]
struct ShutOut {
    id: String,
    host_name: String,
    pid: i64,
    version: String,
    seen_at: i64,
}

impl Step {
    /// Waits for whoever writes, keeps everybody else from it until the end of the transaction, and finds
    /// that no dispatcher lives which the new tables are not for. `file` is the store's, where it is one.
    ///
    /// # Errors
    /// [`OpenError::ShutsOut`], naming them.
    pub(super) async fn shuts_out_nobody(
        self,
        tx: &mut Transaction,
        what: &str,
        file: Option<&Path>,
    ) -> Result<(), OpenError> {
        let shut_out = self.shut_out(tx, file).await;
        let shut_out = shut_out.map_err(|error| refuse(what, &error))?;
        if shut_out.is_empty() {
            return Ok(());
        }
        Err(OpenError::ShutsOut {
            what: what.to_owned(),
            found: self.found,
            known: self.known,
            dispatchers: shut_out.join(", "),
        })
    }

    async fn shut_out(
        self,
        tx: &mut Transaction,
        file: Option<&Path>,
    ) -> Result<Vec<String>, Error> {
        tx.number(&sql::HAVE_TABLES_ALONE, Vec::new()).await?;
        if let Connection::Postgres(_) = tx.connection() {
            // Before version 4 a dispatcher that signs on does not share the tables so.
            let alone = "LOCK TABLE dispatchers IN EXCLUSIVE MODE";
            tx.connection().run(alone).await?;
        }
        let now = tx.now().await?;
        let after = match file {
            None => now.saturating_sub(millis(LIVING)),
            Some(file) if is_held(file) => 0,
            // Nobody has the lock, so they are all dead.
            Some(_) => return Ok(Vec::new()),
        };
        let living: Vec<ShutOut> = if self.found < SAYS_WHO_KNOWS {
            tx.fetch(&sql::SHUT_OUT_OF_OLD, values![after]).await?
        } else {
            tx.fetch(&sql::SHUT_OUT, values![after, self.compatible_from])
                .await?
        };
        living.iter().map(|one| one.named(now, file)).collect()
    }
}

impl ShutOut {
    fn named(&self, now: i64, file: Option<&Path>) -> Result<String, Error> {
        let Self {
            id,
            host_name,
            pid,
            version,
            seen_at,
        } = self;
        let sign = match file {
            // The lock is all the signs of life there are.
            Some(_) => "holds the store".to_owned(),
            None => {
                let ago = now.saturating_sub(*seen_at).max(0) / 1000;
                format!("last seen {} ({ago} s ago)", timestamp(*seen_at)?)
            }
        };
        Ok(format!(
            "dispatcher {id} on {host_name} (tenure {version}, pid {pid}, {sign})"
        ))
    }
}
