//! A task and all that waits for it, cancelled together: one transaction decides which. However many they
//! are, it is a handful of statements.

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use super::{Earnest, Granted, Said, Wish};
use crate::children::{Ended, tell_children};
use crate::error::Error;
use crate::event::EventKind;
use crate::life::{Move, Rest, TaskEnd, TaskStatus};
use crate::open::Store;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// The most tasks of a tree: so many are cancelled in about a second on PostgreSQL, a third of what a
/// transaction may take; every other writer waits meanwhile.
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
    /// Cancels a task and every unfinished one that still waits for it, directly or through others; one
    /// that runs is asked. What a parent let go already is left alone, and so is what is over.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Refused`] where the tree has more than 10,000 tasks or nothing of
    /// it is unfinished, [`Error::Unavailable`].
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
    current_run_id: Option<i64>,
}

impl Write for Fell {
    type Answer = Vec<Felled>;

    async fn apply(&self, tx: &mut Transaction) -> Result<Vec<Felled>, Error> {
        let mut felled = Vec::new();
        let mut cancelled = Vec::new();
        for task in self.tree(tx).await? {
            let id = TaskId(task.id);
            let from: TaskStatus = task.status.parse()?;
            let granted = match task.current_run_id {
                Some(run) => match self.said.ask(tx, id, RunId(run)).await {
                    Err(error @ Error::Refused { .. }) => Err(error),
                    asked => Ok(asked?),
                },
                None => match from.after(Move::Cancelled, WHEREVER) {
                    Ok(to) => {
                        cancelled.push((id, from));
                        Ok(Granted::Moved(to))
                    }
                    // It is over.
                    Err(_) => continue,
                },
            };
            let title = task.title;
            felled.push(Felled { id, title, granted });
        }
        if felled.is_empty() {
            return self.refuse("it is over, and nothing waits for it any more".into());
        }
        if self.said.earnest == Earnest::Do && !cancelled.is_empty() {
            self.cancel(tx, &cancelled).await?;
        }
        Ok(felled)
    }
}

/// What is cancelled rests nowhere.
const WHEREVER: Rest = Rest {
    waits_for_parents: false,
    waits_for_time: false,
};

impl Fell {
    /// All of the tree, held. Whoever links a task behind another one holds that, so once all of the
    /// tree is held and nothing came to it, nothing will.
    async fn tree(&self, tx: &mut Transaction) -> Result<Vec<Below>, Error> {
        let bound = i64::try_from(MOST).unwrap_or(i64::MAX) + 1;
        let mut held = 0;
        loop {
            let asked = values![self.root, bound];
            let tree: Vec<Below> = tx.fetch(&sql::DESCENDANTS, asked).await?;
            if tree.is_empty() {
                return Err(Error::NoSuchTask(self.root));
            }
            if tree.len() > MOST {
                return self.refuse(format!(
                    "more than {MOST} tasks are in its tree, and no more are cancelled at once: begin with trees below it"
                ));
            }
            if tree.len() == held {
                return Ok(tree);
            }
            held = tree.len();
        }
    }

    /// Cancels what does not run: all of it first, so that the end of a parent lets nothing go that is
    /// to end too.
    async fn cancel(
        &self,
        tx: &mut Transaction,
        tasks: &[(TaskId, TaskStatus)],
    ) -> Result<(), Error> {
        let now = tx.now().await?;
        let status = TaskStatus::Cancelled;
        let ids: Vec<TaskId> = tasks.iter().map(|(id, _)| *id).collect();
        let text = serde_json::to_string(&ids)?;
        tx.execute(&sql::LEAVE_OUT, values![text, status, now])
            .await?;
        for (id, from) in tasks {
            let more = json!({});
            self.said
                .tell(tx, *id, EventKind::Cancelled, (*from, status), more);
        }
        let ended = Ended {
            parents: ids,
            end: TaskEnd::Cancelled,
            run: None,
        };
        tell_children(tx, ended).await?;
        Ok(())
    }

    fn refuse<T>(&self, why: String) -> Result<T, Error> {
        let task = self.root;
        Err(Error::Refused { task, why })
    }
}
