//! What a worker may look at: its own store, for as long as it owns its task. Look and fence are one
//! moment.

use tenure_guard::{TaskId, Tenure};

use super::{Detail, Page, TaskFilter, TaskRow, detail, page};
use crate::error::Error;
use crate::open::Store;
use crate::standing::{Asking, refusal};
use crate::transaction::Transaction;

impl Store {
    /// [`Store::show`] for a worker.
    ///
    /// # Errors
    /// [`Error::NotOwner`]; as [`Store::show`].
    pub async fn show_as_worker(&self, tenure: &Tenure, task: TaskId) -> Result<Detail, Error> {
        self.read(async |tx| {
            fence(tx, tenure).await?;
            detail(tx, task).await
        })
        .await
    }

    /// [`Store::list`] for a worker.
    ///
    /// # Errors
    /// [`Error::NotOwner`]; as [`Store::list`].
    pub async fn list_as_worker(
        &self,
        tenure: &Tenure,
        filter: &TaskFilter,
    ) -> Result<Page<TaskRow>, Error> {
        self.read(async |tx| {
            fence(tx, tenure).await?;
            page(tx, filter).await
        })
        .await
    }
}

async fn fence(tx: &mut Transaction, tenure: &Tenure) -> Result<(), Error> {
    match refusal(tx, tenure, Asking::Open).await? {
        Some(reason) => Err(Error::NotOwner { reason }),
        None => Ok(()),
    }
}
