//! A sheet: so many tasks of a submission as are looked up and written together, by a handful of
//! statements however many they are.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::FromRow;
use tenure_guard::TaskId;

use super::links::{Link, Standings, links, resolve};
use super::row::{Name, Row};
use super::{Added, Submission, count};
use crate::error::Error;
use crate::event::EventKind;
use crate::ids::BatchId;
use crate::life::TaskStatus;
use crate::sql;
use crate::task::{NewTask, Parent};
use crate::transaction::Transaction;
use crate::value::values;

/// So many tasks are in one at most, so that no statement grows without bound.
const MOST: usize = 1000;

/// The tasks of a submission, in their order, sheet by sheet. What has a key is told from others by the
/// ids of its parents and found by its key, so none of both may stand in the sheet before it.
pub(super) fn sheets(tasks: &[NewTask], order: &[usize]) -> Vec<Vec<usize>> {
    let mut sheets: Vec<Vec<usize>> = Vec::new();
    let mut in_last: HashSet<usize> = HashSet::new();
    let mut keys: HashSet<&str> = HashSet::new();
    for place in order.iter().copied() {
        let key = tasks[place].key.as_deref();
        let is_known_later = key.is_some_and(|key| {
            let mut parents = tasks[place].parents();
            keys.contains(key)
                || parents.any(|(parent, _)| match parent {
                    Parent::Sibling(sibling) => in_last.contains(&sibling),
                    Parent::Task(_) => false,
                })
        });
        match sheets.last_mut() {
            Some(sheet) if sheet.len() < MOST && !is_known_later => sheet.push(place),
            Some(_) | None => {
                in_last.clear();
                keys.clear();
                sheets.push(vec![place]);
            }
        }
        in_last.insert(place);
        keys.extend(key);
    }
    sheets
}

/// A task that is not there yet.
struct New {
    place: usize,
    request: String,
    fingerprint: Option<String>,
    links: Vec<Link>,
}

#[derive(FromRow)]
struct Written {
    id: i64,
    request_id: String,
}

impl Submission {
    /// Adds what of a sheet is not there yet, and notes the ids of all of it.
    pub(super) async fn add_sheet(
        &self,
        tx: &mut Transaction,
        sheet: &[usize],
        batch: Option<BatchId>,
        added: &mut [Option<Added>],
    ) -> Result<(), Error> {
        self.find_earlier(tx, sheet, added).await?;
        let unknown: Vec<usize> = sheet
            .iter()
            .copied()
            .filter(|place| added[*place].is_none())
            .collect();
        if let Some(worker) = &self.worker {
            for _ in &unknown {
                count(tx, worker).await?;
            }
        }
        let mut fingerprints = self.find_by_key(tx, &unknown, added).await?;
        let mut parents = Vec::new();
        for place in unknown {
            if added[place].is_none() {
                parents.push((place, resolve(&self.tasks[place], added)?));
            }
        }
        let standings = Standings::of(tx, parents.iter().flat_map(|(_, parents)| parents)).await?;
        let now = tx.now().await?;
        let mut new = Vec::with_capacity(parents.len());
        for (place, parents) in parents {
            new.push(New {
                place,
                request: self.request(place),
                fingerprint: fingerprints.remove(&place),
                links: links(&parents, &standings, now)?,
            });
        }
        self.write_new(tx, &new, batch, added).await
    }

    async fn write_new(
        &self,
        tx: &mut Transaction,
        new: &[New],
        batch: Option<BatchId>,
        added: &mut [Option<Added>],
    ) -> Result<(), Error> {
        if new.is_empty() {
            return Ok(());
        }
        let now = tx.now().await?;
        let mut statuses = Vec::with_capacity(new.len());
        let mut rows = Vec::with_capacity(new.len());
        for one in new {
            let name = Name {
                request: &one.request,
                fingerprint: one.fingerprint.as_deref(),
                batch,
                run: self.worker.as_ref().map(|worker| worker.run),
            };
            let row = Row::of(&self.tasks[one.place], &name, &one.links, now)?;
            statuses.push(row.status);
            rows.push(row.into_json());
        }
        let rows = values![json!(rows).to_string(), now];
        let written: Vec<Written> = tx.fetch(&sql::ADD_TASKS, rows).await?;
        let mut ids: HashMap<String, TaskId> = written
            .into_iter()
            .map(|row| (row.request_id, TaskId(row.id)))
            .collect();
        for (one, status) in new.iter().zip(statuses) {
            // Another writer added the key between the two looks: the next try finds it.
            let id = ids.remove(&one.request).ok_or_else(|| {
                let key = self.tasks[one.place].key.as_deref().unwrap_or_default();
                Error::Unavailable(format!("key {key:?} is being added"))
            })?;
            added[one.place] = Some(Added { id, created: true });
            self.tell(tx, one.place, id, batch, status).await?;
        }
        link(tx, new, added).await
    }

    /// What is to be said of a task as soon as it has its id.
    async fn tell(
        &self,
        tx: &mut Transaction,
        place: usize,
        id: TaskId,
        batch: Option<BatchId>,
        status: TaskStatus,
    ) -> Result<(), Error> {
        let task = &self.tasks[place];
        if task.recurrence.is_some() {
            tx.execute(&sql::BEGIN_SERIES, values![id]).await?;
        }
        let payload = json!({
            "title": task.title(),
            "assignee": task.work.profile(),
            "batch_id": batch,
            "status": status,
            "by": task.created_by,
        });
        tx.event(id, None, EventKind::Added, &payload);
        Ok(())
    }
}

/// Ties each to its parents, which all have their ids now.
async fn link(tx: &mut Transaction, new: &[New], added: &[Option<Added>]) -> Result<(), Error> {
    let id_of = |parent| match parent {
        Parent::Task(id) => Some(id),
        Parent::Sibling(place) => added[place].map(|added| added.id),
    };
    let mut links = Vec::new();
    for one in new {
        let child = id_of(Parent::Sibling(one.place));
        for link in &one.links {
            links.push(json!([
                id_of(link.parent),
                child,
                link.kind.name(),
                link.met_at
            ]));
        }
    }
    if !links.is_empty() {
        tx.execute(&sql::ADD_LINKS, values![json!(links).to_string()])
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Work;

    fn task(key: Option<&str>, after: &[usize]) -> NewTask {
        NewTask {
            key: key.map(str::to_owned),
            after: after.iter().copied().map(Parent::Sibling).collect(),
            ..NewTask::new(Work::Assignee("a".into()), "/".into())
        }
    }

    fn in_order(tasks: &[NewTask]) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..tasks.len()).collect();
        sheets(tasks, &order)
    }

    #[test]
    fn a_chain_is_one_sheet_and_what_has_a_key_comes_after_its_parent() {
        let chain = [task(None, &[]), task(None, &[0]), task(None, &[1])];
        assert_eq!(in_order(&chain), [[0, 1, 2]]);
        let keyed = [
            task(Some("a"), &[]),
            task(Some("b"), &[]),
            task(Some("c"), &[0]),
            task(None, &[2]),
            task(Some("d"), &[3]),
        ];
        assert_eq!(in_order(&keyed), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn a_key_that_is_said_twice_is_found_by_the_second() {
        let twice = [task(Some("a"), &[]), task(Some("a"), &[])];
        assert_eq!(in_order(&twice), [[0], [1]]);
    }

    #[test]
    fn a_sheet_has_its_bound() {
        let many = vec![task(None, &[]); MOST + 1];
        let sizes: Vec<usize> = in_order(&many).iter().map(Vec::len).collect();
        assert_eq!(sizes, [MOST, 1]);
    }
}
