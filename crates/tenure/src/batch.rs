//! The tasks of one submission while they run: who stands where, who waits for whom, and whether
//! anything can still move without a person.

use std::collections::{BTreeMap, BTreeSet};

use tenure_guard::TaskId;
use tenure_store::add::Submitted;
use tenure_store::event::{Event, EventKind};
use tenure_store::life::{LinkKind, TaskEnd, TaskStatus, Told};
use tenure_store::read::{EventFilter, TaskRow};
use tenure_store::task::{NewTask, Parent};
use tenure_store::{BatchId, EventId, Store};

use crate::failure::Failure;

/// How many events are read at once.
const PAGE: u32 = 1000;

/// A batch as it was last seen.
#[derive(Debug)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Its tasks in the order of the file, and those that stood in the store under their keys; then what
    /// its workers added.
    pub order: Vec<TaskId>,
    rows: BTreeMap<TaskId, TaskRow>,
    /// What each waits for, or waited for, and how.
    parents: BTreeMap<TaskId, Vec<(TaskId, LinkKind)>>,
    seen: EventId,
}

impl Batch {
    /// What was submitted just now.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(
        store: &Store,
        tasks: &[NewTask],
        submitted: &Submitted,
    ) -> Result<Self, Failure> {
        let order: Vec<TaskId> = submitted.tasks.iter().map(|task| task.id).collect();
        let parent = |(parent, kind): (Parent, LinkKind)| match parent {
            Parent::Task(id) => Some((id, kind)),
            Parent::Sibling(index) => order.get(index).map(|id| (*id, kind)),
        };
        let pairs = order.iter().zip(tasks);
        let parents = pairs
            .map(|(id, task)| (*id, task.parents().filter_map(parent).collect()))
            .collect();
        let mut batch = Self {
            id: submitted.batch,
            order,
            rows: BTreeMap::new(),
            parents,
            seen: EventId(0),
        };
        let all = batch.order.clone();
        batch.read(store, all).await?;
        Ok(batch)
    }

    /// Reads what changed since; answers the tasks that came to rest meanwhile.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&mut self, store: &Store) -> Result<Vec<TaskId>, Failure> {
        let before = self.resting();
        let mut changed: BTreeSet<TaskId> = self.strangers().collect();
        loop {
            let filter = EventFilter {
                after: self.seen,
                task: None,
                batch: Some(self.id),
                kind: None,
                limit: PAGE,
            };
            let page = store.events(&filter).await?;
            changed.extend(page.iter().filter_map(|event| event.task_id));
            changed.extend(page.iter().filter_map(|event| self.linked(event)));
            match page.last() {
                Some(last) => self.seen = last.id,
                None => break,
            }
        }
        self.read(store, changed.into_iter().collect()).await?;
        self.take_in(store).await?;
        Ok(self.resting().difference(&before).copied().collect())
    }

    /// A worker may say that its task waits for another one, of this batch or not; answers that one.
    fn linked(&mut self, event: &Event) -> Option<TaskId> {
        let parent = event
            .payload
            .get("parent")
            .and_then(serde_json::Value::as_i64);
        match (event.kind, event.task_id, parent) {
            (EventKind::Linked, Some(task), Some(parent)) => {
                let parent = TaskId(parent);
                let links = self.parents.entry(task).or_default();
                links.retain(|(other, _)| *other != parent);
                links.push((parent, LinkKind::Success));
                Some(parent)
            }
            (_, _, _) => None,
        }
    }

    /// The tasks, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = &TaskRow> {
        self.order.iter().filter_map(|id| self.rows.get(id))
    }

    /// One task.
    pub fn row(&self, id: TaskId) -> Option<&TaskRow> {
        self.rows.get(&id)
    }

    /// Tasks of the batch that wait for a person or are over.
    pub fn resting(&self) -> BTreeSet<TaskId> {
        let rests = |row: &&TaskRow| row.status.waits_for_a_person();
        self.rows().filter(rests).map(|row| row.id).collect()
    }

    /// Whether everything is done that was to be done.
    pub fn all_done(&self) -> bool {
        self.rows()
            .all(|row| row.status == TaskStatus::Done || self.is_not_needed(row))
    }

    /// Whether a task was cancelled because what it waits for did not happen: a clean-up after
    /// something that went well.
    pub fn is_not_needed(&self, row: &TaskRow) -> bool {
        row.status == TaskStatus::Cancelled
            && self
                .links(row.id)
                .any(|(_, told)| told == Some(Told::NotNeeded))
    }

    /// Whether anything can move without a person.
    pub fn can_move(&self) -> bool {
        self.rows()
            .any(|row| !row.status.waits_for_a_person() && !self.is_stuck(row.id))
    }

    /// The parents that keep a task from being ready.
    pub fn waits_for(&self, id: TaskId) -> Vec<&TaskRow> {
        let unmet = self.links(id).filter(|(_, told)| *told != Some(Told::Met));
        unmet.map(|(parent, _)| parent).collect()
    }

    /// The parents of a task, and what each tells it where it ended.
    fn links(&self, id: TaskId) -> impl Iterator<Item = (&TaskRow, Option<Told>)> {
        let links = self.parents.get(&id).into_iter().flatten();
        links.filter_map(|(parent, kind)| {
            let parent = self.rows.get(parent)?;
            let end = TaskEnd::of(parent.status, parent.block_kind);
            Some((parent, end.map(|end| kind.told(end))))
        })
    }

    /// Whether a task waits for a person, or for a parent that does. A paused one waits for whoever
    /// resumes it.
    fn is_stuck(&self, id: TaskId) -> bool {
        let mut walk = vec![id];
        let mut visited = BTreeSet::new();
        while let Some(task) = walk.pop() {
            let Some(row) = self.rows.get(&task) else {
                continue;
            };
            match row.status {
                TaskStatus::Blocked | TaskStatus::Cancelled | TaskStatus::Done => return true,
                TaskStatus::Todo if visited.insert(task) => {
                    walk.extend(self.waits_for(task).iter().map(|parent| parent.id));
                }
                TaskStatus::Ready if row.paused_at.is_some() => return true,
                TaskStatus::Todo
                | TaskStatus::Scheduled
                | TaskStatus::Ready
                | TaskStatus::Running => {}
            }
        }
        false
    }

    /// Tasks that were in the store before, under their keys: their events are not the batch's.
    fn strangers(&self) -> impl Iterator<Item = TaskId> {
        let of_another = |row: &&TaskRow| row.batch_id != Some(self.id);
        self.rows.values().filter(of_another).map(|row| row.id)
    }

    /// Takes in what workers of the batch added to it.
    async fn take_in(&mut self, store: &Store) -> Result<(), Failure> {
        let is_new = |id: &TaskId| !self.order.contains(id);
        let added: Vec<TaskId> = self.rows.keys().copied().filter(is_new).collect();
        for id in added {
            let parents = store.show(id).await?.parents;
            let parents = parents.iter().map(|parent| (parent.id, parent.kind));
            let parents = parents.collect();
            self.parents.insert(id, parents);
            self.order.push(id);
        }
        Ok(())
    }

    async fn read(&mut self, store: &Store, mut ids: Vec<TaskId>) -> Result<(), Failure> {
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        for row in store.tasks(&ids).await? {
            self.rows.insert(row.id, row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, status: &str) -> TaskRow {
        let time = "2026-01-31T08:00:00Z";
        serde_json::from_value(serde_json::json!({
            "id": id, "title": "t", "status": status, "assignee": "shell", "priority": 0,
            "attempts": 0, "failures": 0, "violations": 0, "defers": 0, "benign": 0, "lost": 0,
            "batch_id": 1, "body": "", "cwd": "/", "env": {}, "skills": [], "requires": [], "limits": {},
            "created_at": time, "updated_at": time, "since": time, "queued_at": time, "blocks": 0,
            "created_by": "",
        }))
        .unwrap()
    }

    /// A batch in which each task comes after the one before it.
    fn chain(statuses: &[&str]) -> Batch {
        linked(statuses, LinkKind::Success)
    }

    fn linked(statuses: &[&str], kind: LinkKind) -> Batch {
        let ids = || (1..).map(TaskId).zip(statuses);
        let rows = (1..).zip(statuses).map(|(id, status)| row(id, status));
        Batch {
            id: BatchId(1),
            order: ids().map(|(id, _)| id).collect(),
            rows: rows.map(|row| (row.id, row)).collect(),
            parents: ids()
                .skip(1)
                .map(|(id, _)| (id, vec![(TaskId(id.0 - 1), kind)]))
                .collect(),
            seen: EventId(0),
        }
    }

    #[test]
    fn a_batch_can_move_until_only_people_can_move_it() {
        for (statuses, can_move) in [
            (&["done", "done"][..], false),
            (&["done", "ready"], true),
            (&["running", "todo"], true),
            (&["scheduled", "todo", "todo"], true),
            (&["blocked", "todo", "todo"], false),
            (&["cancelled", "todo"], false),
            (&["done", "blocked"], false),
        ] {
            assert_eq!(chain(statuses).can_move(), can_move, "{statuses:?}");
        }
    }

    #[test]
    fn a_task_waits_for_its_parents_that_are_not_done() {
        let batch = chain(&["done", "blocked", "todo"]);
        let waits_for = |id| -> Vec<TaskId> {
            let rows = batch.waits_for(TaskId(id)).into_iter();
            rows.map(|row| row.id).collect()
        };
        assert_eq!(waits_for(2), []);
        assert_eq!(waits_for(3), [TaskId(2)]);
    }

    #[test]
    fn a_clean_up_that_was_not_needed_leaves_nothing_undone() {
        for (statuses, kind, all_done) in [
            (["done", "cancelled"], LinkKind::Failure, true),
            (["done", "cancelled"], LinkKind::Success, false),
            (["cancelled", "cancelled"], LinkKind::Failure, false),
            (["blocked", "done"], LinkKind::Failure, false),
        ] {
            let batch = linked(&statuses, kind);
            assert_eq!(batch.all_done(), all_done, "{statuses:?} {kind}");
        }
        assert!(linked(&["running", "todo"], LinkKind::Failure).can_move());
        assert!(!linked(&["blocked", "todo"], LinkKind::AnyEnd).can_move());
    }
}
