//! comment: a remark on a task, by its worker or by a person.

use tenure_guard::{TaskId, Tenure};

use crate::error::Error;
use crate::open::Store;

impl Store {
    /// A worker's remark, fenced.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Unavailable`].
    pub async fn comment_as_worker(&self, tenure: Tenure, text: String) -> Result<(), Error> {
        let _ = (tenure, text);
        todo!()
    }

    /// A person's remark.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn comment(&self, task: TaskId, author: String, text: String) -> Result<(), Error> {
        let _ = (task, author, text);
        todo!()
    }
}
