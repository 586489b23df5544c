//! A task and all that waits for it, cancelled together: one transaction decides which.

use sqlx::FromRow;
use tenure_guard::TaskId;

use super::{Earnest, Granted, Said, Wish};
use crate::error::Error;
use crate::life::TaskStatus;
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// The most tasks that one transaction cancels: every other writer waits meanwhile.
const MOST: usize = 10_000;

/// One task of a tree, and what became of the wish to cancel it.
#[derive(Debug)]
pub struct Felled {
    /// The task.
    pub id: TaskId,
    /// Its title.
    pub title: String,
    /// What became of it; a run that reported already is left to its end.
    pub granted: Result<Granted, Error>,
}

impl Store {
    /// Cancels a task and every unfinished one that waits for it, directly or through others; those
    /// that run are asked. Finished ones are left alone, and what waits for them is not.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Refused`] where the tree is too large or nothing of it is
    /// unfinished, [`Error::Unavailable`].
    pub async fn cancel_tree(
        &self,
        earnest: Earnest,
        root: TaskId,
        by: String,
        reason: Option<String>,
    ) -> Result<Vec<Felled>, Error> {
        let said = Said {
            wish: Wish::Cancel,
            by,
            reason,
            earnest,
        };
        self.write(Fell { root, said }).await
    }
}

struct Fell {
    root: TaskId,
    said: Said,
}

#[derive(FromRow)]
struct Below {
    id: i64,
    title: String,
    status: String,
}

impl Write for Fell {
    type Answer = Vec<Felled>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Vec<Felled>, Error> {
        let below: Vec<Below> = tx.fetch(&sql::DESCENDANTS, values![self.root]).await?;
        if below.is_empty() {
            return Err(Error::NoSuchTask(self.root));
        }
        let mut unfinished = Vec::new();
        for task in below {
            if !task.status.parse::<TaskStatus>()?.is_finished() {
                unfinished.push(task);
            }
        }
        if unfinished.is_empty() {
            return self.refuse("it is over, and so is all that waits for it".into());
        }
        if unfinished.len() > MOST {
            let many = unfinished.len();
            return self.refuse(format!(
                "{many} tasks would be cancelled at once, and {MOST} are the most: begin with trees below it"
            ));
        }
        let mut felled = Vec::with_capacity(unfinished.len());
        // From the leaves to the root: so the end of a parent lets nothing go that is to end too.
        for Below { id, title, .. } in unfinished.into_iter().rev() {
            let id = TaskId(id);
            let granted = match self.said.grant(tx, id).await {
                // The end of a parent did it, where a child is older than that.
                Err(Error::Illegal { source, .. }) if source.from == TaskStatus::Cancelled => {
                    Ok(Granted::Moved(TaskStatus::Cancelled))
                }
                Err(error @ (Error::Refused { .. } | Error::Illegal { .. })) => Err(error),
                granted => Ok(granted?),
            };
            felled.push(Felled { id, title, granted });
        }
        felled.reverse();
        Ok(felled)
    }
}

impl Fell {
    fn refuse<T>(&self, why: String) -> Result<T, Error> {
        let task = self.root;
        Err(Error::Refused { task, why })
    }
}
