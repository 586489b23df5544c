//! renew: pushes a lease out.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId, Tenure};

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

/// How long to wait before runs that somebody was writing to are renewed: their locks are held for one
/// commit, most likely.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
];

impl Store {
    /// Renews the leases of open runs, each fenced. A lapsed lease is renewable while its run is
    /// open: on one host nothing is taken by time. Answers in the order given. Nothing that others
    /// write to these runs, or that waits to be written, keeps the rest from being renewed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] for all; in the place of one [`Error::NotOwner`], or
    /// [`Error::Unavailable`] where somebody holds its row.
    pub async fn renew(
        &self,
        tenures: Vec<Tenure>,
        lease: Duration,
    ) -> Result<Vec<Result<Renewed, Error>>, Error> {
        let renew = |tenures| self.write_at_once(Renew { tenures, lease });
        let mut answers = renew(tenures.clone()).await?;
        for pause in PAUSES {
            let is_busy = |place: &usize| matches!(answers[*place], Err(Error::Unavailable(_)));
            let busy: Vec<usize> = (0..answers.len()).filter(is_busy).collect();
            if busy.is_empty() {
                break;
            }
            tokio::time::sleep(pause).await;
            let again = busy.iter().map(|place| tenures[*place].clone()).collect();
            // What was renewed stays so, whatever becomes of these.
            let Ok(renewed) = renew(again).await else {
                break;
            };
            for (place, answer) in busy.into_iter().zip(renewed) {
                answers[place] = answer;
            }
        }
        Ok(answers)
    }
}

struct Renew {
    tenures: Vec<Tenure>,
    lease: Duration,
}

/// What a holder shows of one run.
#[derive(Serialize)]
struct Shown<'a> {
    task: TaskId,
    run: RunId,
    lock: &'a str,
}

#[derive(FromRow)]
struct Asked {
    run_id: i64,
    ask: Option<String>,
}

impl Write for Renew {
    type Answer = Vec<Result<Renewed, Error>>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Self::Answer, Error> {
        let until = tx.now().await?.saturating_add(millis(self.lease));
        let shown = self.tenures.iter().map(|tenure| Shown {
            task: tenure.task,
            run: tenure.run,
            lock: tenure.lock.expose(),
        });
        let shown = serde_json::to_string(&shown.collect::<Vec<_>>())?;
        let renewed: Vec<Asked> = tx.fetch(&sql::RENEW, values![shown, until]).await?;
        let mut asks: HashMap<RunId, Option<String>> = renewed
            .into_iter()
            .map(|row| (RunId(row.run_id), row.ask))
            .collect();
        let mut answers = Vec::with_capacity(self.tenures.len());
        for tenure in &self.tenures {
            answers.push(match asks.remove(&tenure.run) {
                Some(ask) => Ok(Renewed {
                    ask: ask.as_deref().map(str::parse).transpose()?,
                }),
                None => Err(not_owner(tx, tenure, Asking::Open).await?),
            });
        }
        Ok(answers)
    }
}
