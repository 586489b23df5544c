//! add: takes tasks, whole or not at all.

mod before;
mod links;
mod row;
mod sheet;

use std::sync::Arc;

use sqlx::FromRow;
pub use tenure_guard::wire::Added;
use tenure_guard::wire::MAX_ADDED;
use tenure_guard::{AddId, RunId, TaskId, Tenure};

use crate::error::Error;
use crate::ids::BatchId;
use crate::offered::Offered;
use crate::open::Store;
use crate::sql;
use crate::standing::{Asking, refusal};
use crate::task::NewTask;
use crate::transaction::Transaction;
use crate::validate;
use crate::value::values;
use crate::writer::Write;
use sheet::sheets;

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The batch.
    pub batch: BatchId,
    /// Its tasks, in the order given.
    pub tasks: Vec<Added>,
}

impl Store {
    /// Adds one task, durable when this returns. A lost answer is read back before it is repeated.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::NoSuchTask`] for a parent, [`Error::KeyTaken`],
    /// [`Error::Unavailable`].
    pub async fn add(&self, task: NewTask) -> Result<Added, Error> {
        let request = uuid::Uuid::new_v4().to_string();
        let written = self.add_all(request, None, None, vec![task]).await?;
        written.only()
    }

    /// Adds one task for a worker, fenced; the same id of the same run is the same task. It belongs to
    /// the batch of the worker's own task, so that whoever waits for that one waits for it, too.
    ///
    /// # Errors
    /// [`Error::NotOwner`]; [`Error::Refused`] where the run has added [`MAX_ADDED`]; as [`Store::add`].
    pub async fn add_as_worker(
        &self,
        tenure: Tenure,
        id: AddId,
        task: NewTask,
    ) -> Result<Added, Error> {
        id.validate()
            .map_err(|error| Error::Invalid(error.to_string()))?;
        let batch = self
            .read(async |tx| batch_of(tx, tenure.task).await)
            .await?;
        // Where none lives nobody knows; who lives then finds it, and says so.
        if let Some(offered) = Offered::by_living(self.living_dispatchers().await?, batch) {
            offered.check(&task).map_err(Error::Invalid)?;
        }
        let task = NewTask {
            created_by: format!("task {}", tenure.task),
            ..task
        };
        // Of this run alone, so that nobody else can take the name.
        let request = format!("run {}:{}", tenure.run, id.0);
        let written = self
            .add_all(request, None, Some(tenure), vec![task])
            .await?;
        written.only()
    }

    /// Adds a batch of tasks, all or none; `source` says where they came from. Cycles among
    /// siblings are [`Error::Invalid`], and name the tasks.
    ///
    /// # Errors
    /// As [`Store::add`].
    pub async fn submit(&self, source: &str, tasks: Vec<NewTask>) -> Result<Submitted, Error> {
        let request = uuid::Uuid::new_v4().to_string();
        let source = Some(source.to_owned());
        let written = self.add_all(request, source, None, tasks).await?;
        let batch = written
            .batch
            .ok_or_else(|| Error::Unreadable("a submission has no batch".into()))?;
        Ok(Submitted {
            batch,
            tasks: written.tasks,
        })
    }

    async fn add_all(
        &self,
        request: String,
        source: Option<String>,
        worker: Option<Tenure>,
        tasks: Vec<NewTask>,
    ) -> Result<Written, Error> {
        let order = validate::order(&tasks)?;
        let submission = Arc::new(Submission {
            request,
            source,
            worker,
            tasks,
            order,
        });
        match self.write(Arc::clone(&submission)).await {
            // It may have been written: each task carries the request, so the second time only
            // finds what the first one added.
            Err(Error::Unavailable(_)) => self.write(submission).await,
            result => result,
        }
    }
}

/// Tasks to add, under the name of one request.
struct Submission {
    request: String,
    source: Option<String>,
    /// Who adds them, where no person does.
    worker: Option<Tenure>,
    tasks: Vec<NewTask>,
    order: Vec<usize>,
}

struct Written {
    batch: Option<BatchId>,
    tasks: Vec<Added>,
}

impl Written {
    /// The only task.
    fn only(self) -> Result<Added, Error> {
        let added = self.tasks.first().copied();
        added.ok_or_else(|| Error::Unreadable("an added task has no id".into()))
    }
}

#[derive(FromRow)]
struct OfBatch {
    batch_id: Option<i64>,
}

impl Write for Arc<Submission> {
    type Answer = Written;

    async fn apply(&self, tx: &mut Transaction) -> Result<Written, Error> {
        let mut batch = match self.batch_of_earlier_try(tx).await? {
            None => self.batch_of_the_same_tasks(tx).await?,
            known => known,
        };
        if let (Some(source), None) = (&self.source, batch) {
            let now = tx.now().await?;
            let new = values![source.as_str(), now];
            batch = Some(BatchId(tx.number(&sql::ADD_BATCH, new).await?));
        }
        if let Some(worker) = &self.worker {
            batch = batch_of(tx, worker.task).await?;
        }
        let mut added = vec![None; self.tasks.len()];
        for sheet in sheets(&self.tasks, &self.order) {
            self.add_sheet(tx, &sheet, batch, &mut added).await?;
        }
        Ok(Written {
            batch,
            tasks: added.into_iter().flatten().collect(),
        })
    }
}

impl Submission {
    fn request(&self, place: usize) -> String {
        format!("{}:{place}", self.request)
    }
}

/// The batch of a task, where it has one.
async fn batch_of(tx: &mut Transaction, task: TaskId) -> Result<Option<BatchId>, Error> {
    let row = tx.fetch_one::<OfBatch>(&sql::BATCH_OF_TASK, values![task]);
    Ok(row.await?.and_then(|row| row.batch_id).map(BatchId))
}

/// The fence of a worker that adds a task, and the bound on how many.
async fn count(tx: &mut Transaction, worker: &Tenure) -> Result<(), Error> {
    let Tenure { task, run, lock } = worker;
    let shown = values![*task, *run, lock, MAX_ADDED];
    if tx.execute(&sql::COUNT_ADDED, shown).await? > 0 {
        return Ok(());
    }
    Err(match refusal(tx, worker, Asking::Report).await? {
        Some(reason) => Error::NotOwner { reason },
        None => too_many(*task, *run),
    })
}

fn too_many(task: TaskId, run: RunId) -> Error {
    Error::Refused {
        task,
        why: format!(
            "run {run} has added {MAX_ADDED} tasks, and no run adds more: let one of them add the rest, or submit a task file"
        ),
    }
}
