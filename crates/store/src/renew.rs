//! renew: pushes a lease out.

use std::time::Duration;

use sqlx::FromRow;
use tenure_guard::Tenure;

use crate::clock::millis;
use crate::error::Error;
use crate::life::Ask;
use crate::open::Store;
use crate::sql;
use crate::standing::{Asking, not_owner};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// What a renewal found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// What was asked of the run meanwhile, if anything.
    pub ask: Option<Ask>,
}

impl Store {
    /// Renews the leases of open runs, each fenced. A lapsed lease is renewable while its run is
    /// open: on one host nothing is taken by time. Answers in the order given.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for all; [`Error::NotOwner`] in the place of one.
    pub async fn renew(
        &self,
        tenures: Vec<Tenure>,
        lease: Duration,
    ) -> Result<Vec<Result<Renewed, Error>>, Error> {
        self.write(Renew { tenures, lease }).await
    }
}

struct Renew {
    tenures: Vec<Tenure>,
    lease: Duration,
}

#[derive(FromRow)]
struct Asked {
    ask: Option<String>,
}

impl Write for Renew {
    type Answer = Vec<Result<Renewed, Error>>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Self::Answer, Error> {
        let until = tx.now().await?.saturating_add(millis(self.lease));
        let mut answers = Vec::with_capacity(self.tenures.len());
        for tenure in &self.tenures {
            let shown = values![tenure.task, tenure.run, &tenure.lock, until];
            let asked = tx.fetch_one::<Asked>(&sql::RENEW, shown).await?;
            answers.push(match asked {
                Some(Asked { ask }) => Ok(Renewed {
                    ask: ask.as_deref().map(str::parse).transpose()?,
                }),
                None => Err(not_owner(tx, tenure, Asking::Open).await?),
            });
        }
        Ok(answers)
    }
}
