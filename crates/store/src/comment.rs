//! comment: a remark on a task, by its worker or by a person.

use serde_json::json;
use tenure_guard::{TaskId, Tenure};

use crate::error::Error;
use crate::event::EventKind;
use crate::open::Store;
use crate::sql;
use crate::standing::{Asking, not_owner};
use crate::transaction::Transaction;
use crate::value::values;
use crate::writer::Write;

/// Who wrote what a worker wrote; its run is named beside it.
const WORKER: &str = "worker";

impl Store {
    /// A worker's remark, fenced.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn comment_as_worker(&self, tenure: Tenure, text: String) -> Result<(), Error> {
        self.write(ByWorker { tenure, text }).await
    }

    /// A person's remark.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn comment(&self, task: TaskId, author: String, text: String) -> Result<(), Error> {
        self.write(ByPerson { task, author, text }).await
    }
}

struct ByWorker {
    tenure: Tenure,
    text: String,
}

impl Write for ByWorker {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        let Tenure { task, run, lock } = &self.tenure;
        let shown = values![*task, *run, lock, WORKER, self.text.as_str(), now];
        if tx.execute(&sql::COMMENT_AS_WORKER, shown).await? == 0 {
            return Err(not_owner(tx, &self.tenure, Asking::Open).await?);
        }
        let payload = json!({ "author": WORKER, "text": self.text });
        tx.event(*task, *run, EventKind::Commented, &payload);
        Ok(())
    }
}

struct ByPerson {
    task: TaskId,
    author: String,
    text: String,
}

impl Write for ByPerson {
    type Answer = ();

    async fn apply(&self, tx: &mut Transaction) -> Result<(), Error> {
        let now = tx.now().await?;
        let remark = values![self.task, self.author.as_str(), self.text.as_str(), now];
        if tx.execute(&sql::COMMENT, remark).await? == 0 {
            return Err(Error::NoSuchTask(self.task));
        }
        let payload = json!({ "author": self.author, "text": self.text });
        tx.event(self.task, None, EventKind::Commented, &payload);
        Ok(())
    }
}
