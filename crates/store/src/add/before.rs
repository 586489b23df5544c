//! Tasks that were added before: by an earlier try of this very request, or under the same key.

use std::fmt::Write as _;

use sha2::Digest;
use sqlx::FromRow;
use tenure_guard::TaskId;
use tenure_guard::wire::Added;

use super::Submission;
use crate::error::Error;
use crate::ids::BatchId;
use crate::life::LinkKind;
use crate::sql;
use crate::task::{NewTask, Parent};
use crate::transaction::Transaction;
use crate::value::values;

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

impl Submission {
    /// The batch that an earlier try of this very request made, if one got through.
    pub(super) async fn batch_of_earlier_try(
        &self,
        tx: &mut Transaction,
    ) -> Result<Option<BatchId>, Error> {
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
    pub(super) async fn batch_of_the_same_tasks(
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
}

/// What makes a task the same task: all that was said of it, its parents by their ids.
pub(super) fn fingerprint(task: &NewTask, parents: &[(TaskId, LinkKind)]) -> Result<String, Error> {
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
pub(super) async fn by_request(
    tx: &mut Transaction,
    request: &str,
) -> Result<Option<Added>, Error> {
    let row = tx.fetch_one::<ByRequest>(&sql::TASK_BY_REQUEST, values![request]);
    Ok(row.await?.map(|row| Added {
        id: TaskId(row.id),
        created: true,
    }))
}

/// The task that has this key, if one has.
pub(super) async fn by_key(
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
