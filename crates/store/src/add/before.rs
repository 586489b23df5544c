//! Tasks that were added before: by an earlier try of this very request, or under the same key.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::json;
use sha2::Digest;
use sqlx::FromRow;
use tenure_guard::TaskId;
use tenure_guard::wire::Added;

use super::Submission;
use super::links::resolve;
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
    idempotency_key: String,
    fingerprint: Option<String>,
    batch_id: Option<i64>,
}

#[derive(FromRow)]
struct ByRequest {
    id: i64,
    request_id: String,
    batch_id: Option<i64>,
}

impl Submission {
    /// The batch that an earlier try of this very request made, if one got through.
    pub(super) async fn batch_of_earlier_try(
        &self,
        tx: &mut Transaction,
    ) -> Result<Option<BatchId>, Error> {
        // What has a key may belong to an older submission; what has none tells for all.
        let keyed = self.tasks.iter().take_while(|task| task.key.is_some());
        let telling = keyed.count().saturating_add(1).min(self.tasks.len());
        let requests = (0..telling).map(|place| self.request(place)).collect();
        let found = by_request(tx, requests).await?;
        Ok(found.first().and_then(|row| row.batch_id).map(BatchId))
    }

    /// The batch in which all these tasks came before: whoever submits them once more, perhaps because
    /// the first who did so was killed, means that one.
    pub(super) async fn batch_of_the_same_tasks(
        &self,
        tx: &mut Transaction,
    ) -> Result<Option<BatchId>, Error> {
        let keys: Option<Vec<&str>> = self.tasks.iter().map(|task| task.key.as_deref()).collect();
        let Some(keys) = keys else {
            return Ok(None);
        };
        let found = by_key(tx, &keys).await?;
        let mut batch = None;
        for key in keys {
            match found.get(key).and_then(|row| row.batch_id) {
                Some(theirs) if batch.is_none_or(|batch| batch == theirs) => batch = Some(theirs),
                Some(_) | None => return Ok(None),
            }
        }
        Ok(batch.map(BatchId))
    }

    /// Notes which of these an earlier try of this very request added, if one got through.
    pub(super) async fn find_earlier(
        &self,
        tx: &mut Transaction,
        places: &[usize],
        added: &mut [Option<Added>],
    ) -> Result<(), Error> {
        let requests: Vec<String> = places.iter().map(|place| self.request(*place)).collect();
        let found = by_request(tx, requests.clone()).await?;
        for (place, request) in places.iter().zip(requests) {
            let earlier = found.iter().find(|row| row.request_id == request);
            added[*place] = earlier.map(|row| Added {
                id: TaskId(row.id),
                created: true,
            });
        }
        Ok(())
    }

    /// Notes which of these are there under their keys; the fingerprint of each that has one.
    ///
    /// # Errors
    /// [`Error::KeyTaken`] where what is there is another task.
    pub(super) async fn find_by_key(
        &self,
        tx: &mut Transaction,
        places: &[usize],
        added: &mut [Option<Added>],
    ) -> Result<HashMap<usize, String>, Error> {
        let mut fingerprints = HashMap::new();
        let mut keys = Vec::new();
        for place in places {
            let task = &self.tasks[*place];
            if let Some(key) = task.key.as_deref() {
                fingerprints.insert(*place, fingerprint(task, &resolve(task, added)?)?);
                keys.push((*place, key));
            }
        }
        let wanted: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
        let found = by_key(tx, &wanted).await?;
        for (place, key) in keys {
            let Some(row) = found.get(key) else {
                continue;
            };
            let id = TaskId(row.id);
            if row.fingerprint.as_ref() != fingerprints.get(&place) {
                let key = key.to_owned();
                return Err(Error::KeyTaken { key, task: id });
            }
            added[place] = Some(Added { id, created: false });
        }
        Ok(fingerprints)
    }
}

/// What makes a task the same task: all that was said of it, its parents by their ids.
fn fingerprint(task: &NewTask, parents: &[(Parent, LinkKind)]) -> Result<String, Error> {
    let of_kind = |wanted| {
        let parents = parents.iter().filter(|(_, kind)| *kind == wanted);
        parents.map(|(parent, _)| *parent).collect()
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

async fn by_request(tx: &mut Transaction, requests: Vec<String>) -> Result<Vec<ByRequest>, Error> {
    let asked = values![json!(requests).to_string()];
    tx.fetch(&sql::TASKS_BY_REQUEST, asked).await
}

async fn by_key(tx: &mut Transaction, keys: &[&str]) -> Result<HashMap<String, ByKey>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let asked = values![json!(keys).to_string()];
    let rows: Vec<ByKey> = tx.fetch(&sql::TASKS_BY_KEY, asked).await?;
    let by_key = rows
        .into_iter()
        .map(|row| (row.idempotency_key.clone(), row));
    Ok(by_key.collect())
}
