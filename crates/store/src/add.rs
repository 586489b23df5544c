//! add: takes tasks, whole or not at all.

mod before;
mod links;

use std::sync::Arc;

use serde_json::json;
use sqlx::FromRow;
pub use tenure_guard::wire::Added;
use tenure_guard::wire::MAX_ADDED;
use tenure_guard::{AddId, RunId, TaskId, Tenure};

use crate::clock::{millis, timestamp};
use crate::connection::Number;
use crate::error::Error;
use crate::event::EventKind;
use crate::ids::BatchId;
use crate::lane::Lane;
use crate::life::{Rest, TaskStatus};
use crate::offered::Offered;
use crate::open::Store;
use crate::sql;
use crate::standing::{Asking, refusal};
use crate::task::{NewTask, NotBefore, Work};
use crate::transaction::Transaction;
use crate::validate;
use crate::value::{Value, values};
use crate::writer::Write;
use before::{by_key, by_request, fingerprint};
use links::{Link, links, resolve};

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
        for place in &self.order {
            added[*place] = Some(self.add(tx, *place, batch, &added).await?);
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

    async fn add(
        &self,
        tx: &mut Transaction,
        place: usize,
        batch: Option<BatchId>,
        added: &[Option<Added>],
    ) -> Result<Added, Error> {
        let task = &self.tasks[place];
        let request = self.request(place);
        if let Some(added) = by_request(tx, &request).await? {
            return Ok(added);
        }
        if let Some(worker) = &self.worker {
            count(tx, worker).await?;
        }
        let parents = resolve(task, added)?;
        let fingerprint = match &task.key {
            Some(_) => Some(fingerprint(task, &parents)?),
            None => None,
        };
        let keyed = task.key.as_deref().zip(fingerprint.as_deref());
        if let Some((key, fingerprint)) = keyed
            && let Some(found) = by_key(tx, key, fingerprint).await?
        {
            return Ok(found);
        }
        let limit_key = task.limit_key.as_ref();
        let recurrence = task.recurrence.as_ref().map(serde_json::to_string);
        let recurrence = recurrence.transpose()?;
        let links = links(tx, &parents).await?;
        let row = row(tx, task, &links, batch).await?;
        let mut columns = row.columns;
        columns.extend(values![
            task.key.as_deref(),
            fingerprint.as_deref(),
            request.as_str(),
            tx.now().await?,
            row.queued_at,
            Lane::of(
                &task.skills,
                &task.requires,
                limit_key.map(|limit| (limit.key.as_str(), limit.limit)),
            )
            .text()?,
            limit_key.map(|limit| limit.key.as_str()),
            limit_key.map(|limit| limit.limit),
            recurrence,
            task.created_by.as_str(),
            self.worker.as_ref().map(|worker| worker.run),
            serde_json::to_string(&task.requires)?,
        ]);
        let Some(Number { number }) = tx.fetch_one(&sql::ADD_TASK, columns).await? else {
            // Another writer added the key between the two looks.
            let (key, fingerprint) = keyed.unwrap_or_default();
            return by_key(tx, key, fingerprint)
                .await?
                .ok_or_else(|| Error::Unavailable(format!("key {key:?} is being added")));
        };
        let id = TaskId(number);
        if task.recurrence.is_some() {
            tx.execute(&sql::BEGIN_SERIES, values![id]).await?;
        }
        for link in &links {
            let link = values![link.parent, id, link.kind, link.met_at];
            tx.execute(&sql::ADD_LINK, link).await?;
        }
        let payload = json!({
            "title": task.title(),
            "assignee": task.work.profile(),
            "batch_id": batch,
            "status": row.status,
            "by": task.created_by,
        });
        tx.event(id, None, EventKind::Added, &payload);
        Ok(Added { id, created: true })
    }
}

/// The first columns of a new task, and where it stands.
async fn row(
    tx: &mut Transaction,
    task: &NewTask,
    links: &[Link],
    batch: Option<BatchId>,
) -> Result<Row, Error> {
    let now = tx.now().await?;
    let not_before = not_before(task, now)?;
    let pending = links.iter().filter(|link| link.met_at.is_none()).count();
    let pending = i64::try_from(pending).unwrap_or(i64::MAX);
    let status = Rest {
        waits_for_parents: pending > 0,
        // What recurs begins when its time has come, also where that is now.
        waits_for_time: task.recurrence.is_some() || not_before.is_some_and(|time| time > now),
    }
    .status();
    let command = match &task.work {
        Work::Command(argv) => Some(serde_json::to_string(argv)?),
        Work::Assignee(_) => None,
    };
    let columns = values![
        batch,
        task.name.as_deref(),
        task.title(),
        task.body.as_str(),
        task.work.profile(),
        command,
        task.cwd.as_path(),
        serde_json::to_string(&task.env)?,
        serde_json::to_string(&task.skills)?,
        serde_json::to_string(&task.limits)?,
        task.priority,
        status,
        pending,
        not_before,
    ];
    Ok(Row {
        columns,
        status,
        queued_at: not_before.map_or(now, |time| time.max(now)),
    })
}

/// When the task may start at the earliest; of one that recurs, its first time.
fn not_before(task: &NewTask, now: i64) -> Result<Option<i64>, Error> {
    let said = task.not_before.map(|time| match time {
        NotBefore::At(time) => time.as_millisecond(),
        NotBefore::In(wait) => now.saturating_add(millis(wait)),
    });
    let Some(recurrence) = &task.recurrence else {
        return Ok(said);
    };
    let first = recurrence.times.first(timestamp(said.unwrap_or(now))?);
    first
        .map(|first| Some(first.as_millisecond()))
        .ok_or_else(|| {
            Error::Invalid(format!(
                "{} never comes after the time given: name an earlier one",
                recurrence.times
            ))
        })
}

struct Row {
    columns: Vec<Value>,
    status: TaskStatus,
    /// From when its place in the order is counted.
    queued_at: i64,
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
