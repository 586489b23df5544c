//! The tasks of one submission while they run, as they were last seen.

use std::collections::{BTreeMap, BTreeSet};

use tenure_guard::TaskId;
use tenure_store::add::Submitted;
use tenure_store::read::{EventFilter, Outlook, TaskRow};
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
    order: Vec<TaskId>,
    rows: BTreeMap<TaskId, TaskRow>,
    /// Up to which event the rows are as the store has them.
    seen: EventId,
}

impl Batch {
    /// What was submitted just now.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(store: &Store, submitted: &Submitted) -> Result<Self, Failure> {
        let order: Vec<TaskId> = submitted.tasks.iter().map(|task| task.id).collect();
        let rows = store.tasks(&order).await?;
        Ok(Self {
            id: submitted.batch,
            order,
            rows: rows.into_iter().map(|row| (row.id, row)).collect(),
            seen: EventId(0),
        })
    }

    /// Reads what changed since; answers the tasks that came to rest meanwhile. Whoever gives up waiting
    /// for it has missed nothing: the next time the same is read again.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&mut self, store: &Store) -> Result<Vec<TaskId>, Failure> {
        let mut seen = self.seen;
        let mut changed: BTreeSet<TaskId> = self.strangers().collect();
        loop {
            let filter = EventFilter {
                after: seen,
                task: None,
                batch: Some(self.id),
                kind: None,
                limit: PAGE,
            };
            let page = store.events(&filter).await?;
            changed.extend(page.iter().filter_map(|event| event.task_id));
            match page.last() {
                Some(last) => seen = last.id,
                None => break,
            }
        }
        let changed: Vec<TaskId> = changed.into_iter().collect();
        let rows = store.tasks(&changed).await?;
        // **Invariant:** from here on nothing is waited for, so what was read is taken over whole.
        let before = self.resting();
        for row in rows {
            let id = row.id;
            if self.rows.insert(id, row).is_none() {
                self.order.push(id);
            }
        }
        self.seen = seen;
        Ok(self.resting().difference(&before).copied().collect())
    }

    /// What lies before those that are not done.
    ///
    /// # Errors
    /// The store's.
    pub async fn outlook(&self, store: &Store) -> Result<Outlook, Failure> {
        let strangers: Vec<TaskId> = self.strangers().collect();
        Ok(store.outlook(Some(self.id), &strangers).await?)
    }

    /// The tasks, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = &TaskRow> {
        self.order.iter().filter_map(|id| self.rows.get(id))
    }

    /// One task.
    pub fn row(&self, id: TaskId) -> Option<&TaskRow> {
        self.rows.get(&id)
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Tasks of the batch that wait for a person or are over.
    pub fn resting(&self) -> BTreeSet<TaskId> {
        let rests = |row: &&TaskRow| row.status.waits_for_a_person();
        self.rows().filter(rests).map(|row| row.id).collect()
    }

    /// Tasks that were in the store before, under their keys: their events are not the batch's.
    fn strangers(&self) -> impl Iterator<Item = TaskId> {
        let of_another = |row: &&TaskRow| row.batch_id != Some(self.id);
        self.rows.values().filter(of_another).map(|row| row.id)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use tenure_store::StoreUrl;
    use tenure_store::life::TaskStatus;
    use tenure_store::person::Wish;
    use tenure_store::task::{NewTask, Work};

    use super::*;

    /// Polls a future so often at most, and drops it; whether it came to its end before.
    async fn abandoned_after(polls: usize, future: impl Future) -> bool {
        let mut future = pin!(future);
        let mut left = polls;
        std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(false);
            }
            left -= 1;
            future.as_mut().poll(context).map(|_| true)
        })
        .await
    }

    #[tokio::test]
    async fn a_look_that_is_given_up_anywhere_on_its_way_hides_nothing_from_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("tenure.db"));
        let store = Store::open(&url).await.unwrap();
        let task = || NewTask::new(Work::Command(vec!["true".into()]), "/".into());
        let mut given_up = 0;
        // How far a poll leads is a matter of two threads.
        for polls in (0..8).cycle().take(64) {
            let submitted = store.submit("file", vec![task()]).await.unwrap();
            let mut batch = Batch::of(&store, &submitted).await.unwrap();
            let id = submitted.tasks[0].id;
            let wish = store.wish(id, Wish::Cancel, "ann".into(), None);
            wish.await.unwrap();
            let was_read = abandoned_after(polls, batch.refresh(&store)).await;
            let rested = batch.refresh(&store).await.unwrap();
            assert_eq!(rested.is_empty(), was_read, "given up after {polls} polls");
            let status = batch.row(id).map(|row| row.status);
            assert_eq!(status, Some(TaskStatus::Cancelled), "after {polls} polls");
            given_up += usize::from(polls > 0 && !was_read);
        }
        assert!(given_up > 0, "none was on its way");
    }
}
