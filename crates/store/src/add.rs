//! add: takes tasks, whole or not at all.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;
use sha2::Digest;
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
use crate::life::{LinkKind, Rest, TaskEnd, TaskStatus, Told};
use crate::moved::block_kind;
use crate::offered::Offered;
use crate::open::Store;
use crate::sql;
use crate::standing::{Asking, refusal};
use crate::task::{NewTask, NotBefore, Parent, Work};
use crate::transaction::Transaction;
use crate::validate;
use crate::value::{Value, values};
use crate::writer::Write;

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
struct ByKey {
    id: i64,
    fingerprint: Option<String>,
    batch_id: Option<i64>,
}

#[derive(FromRow)]
struct ByRequest {
    id: i64,
    batch_id: Option<i64>,
}

#[derive(FromRow)]
struct OfBatch {
    batch_id: Option<i64>,
}

#[derive(FromRow)]
struct ParentStanding {
    status: String,
    block_kind: Option<String>,
}

/// What a new task waits for, or would have waited for.
struct Link {
    parent: TaskId,
    kind: LinkKind,
    /// When the parent was found to have ended as the link asks.
    met_at: Option<i64>,
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

    /// The batch that an earlier try of this very request made, if one got through.
    async fn batch_of_earlier_try(&self, tx: &mut Transaction) -> Result<Option<BatchId>, Error> {
        for place in 0..self.tasks.len() {
            let request = values![self.request(place)];
            let found = tx.fetch_one::<ByRequest>(&sql::TASK_BY_REQUEST, request);
            if let Some(row) = found.await? {
                return Ok(row.batch_id.map(BatchId));
            }
            // What has a key may belong to an older submission; what has none tells for all.
            if self.tasks[place].key.is_none() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The batch in which all these tasks came before: whoever submits them once more, perhaps because
    /// the first who did so was killed, means that one.
    async fn batch_of_the_same_tasks(
        &self,
        tx: &mut Transaction,
    ) -> Result<Option<BatchId>, Error> {
        let mut batch = None;
        for task in &self.tasks {
            let Some(key) = task.key.as_deref() else {
                return Ok(None);
            };
            let found = tx.fetch_one::<ByKey>(&sql::TASK_BY_KEY, values![key]);
            match found.await?.and_then(|row| row.batch_id) {
                Some(theirs) if batch.is_none_or(|batch| batch == theirs) => batch = Some(theirs),
                Some(_) | None => return Ok(None),
            }
        }
        Ok(batch.map(BatchId))
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

/// How each parent stands to the new task, each held until the task is written.
async fn links(tx: &mut Transaction, parents: &[(TaskId, LinkKind)]) -> Result<Vec<Link>, Error> {
    let now = tx.now().await?;
    let mut links = Vec::with_capacity(parents.len());
    for (parent, kind) in parents.iter().copied() {
        let found = tx.fetch_one::<ParentStanding>(&sql::PARENT, values![parent]);
        let standing = found.await?.ok_or(Error::NoSuchTask(parent))?;
        let block = standing.block_kind.as_deref().map(block_kind);
        let end = TaskEnd::of(standing.status.parse()?, block.transpose()?);
        let met_at = match end.map(|end| kind.told(end)) {
            Some(Told::Met) => Some(now),
            Some(Told::Waiting) | None => None,
            Some(Told::NotNeeded) => {
                return Err(Error::Refused {
                    task: parent,
                    why: format!(
                        "it is {} already, so a task that waits for it to be given up would never run: leave that out",
                        standing.status
                    ),
                });
            }
        };
        links.push(Link {
            parent,
            kind,
            met_at,
        });
    }
    Ok(links)
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

/// The parents of a task by their ids, each once, and how it waits for them.
fn resolve(task: &NewTask, added: &[Option<Added>]) -> Result<Vec<(TaskId, LinkKind)>, Error> {
    let mut parents: Vec<(TaskId, LinkKind)> = task
        .parents()
        .filter_map(|(parent, kind)| match parent {
            Parent::Task(id) => Some((id, kind)),
            // Parents are added first.
            Parent::Sibling(place) => added[place].map(|added| (added.id, kind)),
        })
        .collect();
    parents.sort_unstable();
    parents.dedup();
    // A sibling may be a task that was there already, under its key.
    match parents.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Error::Invalid(format!(
            "task {} is named by two of after, after_any_end and after_failure: keep one of them",
            pair[0].0
        ))),
        None => Ok(parents),
    }
}

/// What makes a task the same task: all that was said of it, its parents by their ids.
fn fingerprint(task: &NewTask, parents: &[(TaskId, LinkKind)]) -> Result<String, Error> {
    let of_kind = |wanted| {
        let parents = parents.iter().filter(|(_, kind)| *kind == wanted);
        parents.map(|(id, _)| Parent::Task(*id)).collect()
    };
    let said = NewTask {
        after: of_kind(LinkKind::Success),
        after_any_end: of_kind(LinkKind::AnyEnd),
        after_failure: of_kind(LinkKind::Failure),
        ..task.clone()
    };
    let digest = sha2::Sha256::digest(serde_json::to_string(&said)?);
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// The task that this very request added before, if it got through.
async fn by_request(tx: &mut Transaction, request: &str) -> Result<Option<Added>, Error> {
    let row = tx.fetch_one::<ByRequest>(&sql::TASK_BY_REQUEST, values![request]);
    Ok(row.await?.map(|row| Added {
        id: TaskId(row.id),
        created: true,
    }))
}

/// The task that has this key, if one has.
async fn by_key(
    tx: &mut Transaction,
    key: &str,
    fingerprint: &str,
) -> Result<Option<Added>, Error> {
    let found = tx.fetch_one::<ByKey>(&sql::TASK_BY_KEY, values![key]);
    let Some(row) = found.await? else {
        return Ok(None);
    };
    let id = TaskId(row.id);
    if row.fingerprint.as_deref() != Some(fingerprint) {
        let key = key.to_owned();
        return Err(Error::KeyTaken { key, task: id });
    }
    Ok(Some(Added { id, created: false }))
}
