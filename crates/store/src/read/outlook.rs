//! outlook: whether tasks can move without a person, and why not; read at one moment, and the one place
//! that decides it: for a dispatcher that serves a batch, and for whoever waits.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use sqlx::FromRow;
use tenure_guard::TaskId;

use super::situation::{Pause, pauses};
use crate::dispatcher::living;
use crate::error::Error;
use crate::ids::BatchId;
use crate::life::TaskStatus;
use crate::open::Store;
use crate::pause::Pausable;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// What lies before tasks that are not done, as things stand.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    tasks: BTreeMap<TaskId, Standing>,
    /// Those that come to something by themselves.
    moving: BTreeSet<TaskId>,
    /// And those that would if somebody dispatched them.
    willing: BTreeSet<TaskId>,
    is_deserted: bool,
}

/// Where a task stands, with what decides whether it moves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    title: String,
    status: TaskStatus,
    batch: Option<BatchId>,
    /// What keeps it from starting.
    paused: Option<Pausable>,
    /// Whether some dispatcher that lives may take it.
    is_served: bool,
    /// Whether it was cancelled because what it waits for did not happen.
    not_needed: bool,
    /// The parents that keep it from being ready.
    waits_for: Vec<TaskId>,
}

/// Why a task does not move by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standstill {
    /// It is done or cancelled, or there is no such task.
    Over,
    /// It is blocked.
    Blocked,
    /// It is paused, or its profile or the store is.
    Paused(Pausable),
    /// No dispatcher that lives may take it.
    NotServed,
    /// This parent does not move either.
    Behind(TaskId),
}

impl Outlook {
    /// Whether a task comes to something by itself.
    pub fn moves(&self, task: TaskId) -> bool {
        self.moving.contains(&task)
    }

    /// Whether any task of a batch does.
    pub fn any_moves_of(&self, batch: BatchId) -> bool {
        let mut moving = self.moving.iter().filter_map(|id| self.tasks.get(id));
        moving.any(|standing| standing.batch == Some(batch))
    }

    /// Whether only a person can move a task on: a dispatcher alone would not.
    pub fn waits_for_a_person(&self, task: TaskId) -> bool {
        !self.willing.contains(&task)
    }

    /// Why a task does not move by itself; `None` where it does.
    pub fn standstill(&self, task: TaskId) -> Option<Standstill> {
        if self.moves(task) {
            return None;
        }
        let Some(standing) = self.tasks.get(&task) else {
            return Some(Standstill::Over);
        };
        Some(match standing.own() {
            Own::Still(still) => still,
            Own::Moves => Standstill::NotServed,
            Own::AsItsParents => {
                let mut parents = standing.waits_for.iter();
                let for_a_person = parents.clone().find(|id| self.waits_for_a_person(**id));
                let parent = for_a_person.or_else(|| parents.find(|id| !self.moves(**id)));
                parent.map_or(Standstill::NotServed, |id| Standstill::Behind(*id))
            }
        })
    }

    /// The parents that keep a task from being ready.
    pub fn waits_for(&self, task: TaskId) -> &[TaskId] {
        let standing = self.tasks.get(&task);
        standing.map_or(&[], |standing| standing.waits_for.as_slice())
    }

    /// The title and the status of a task that was looked at.
    pub fn task(&self, task: TaskId) -> Option<(&str, TaskStatus)> {
        let standing = self.tasks.get(&task)?;
        Some((standing.title.as_str(), standing.status))
    }

    /// Whether a task was cancelled because what it waits for did not happen: a clean-up after something
    /// that went well.
    pub fn is_not_needed(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_some_and(|task| task.not_needed)
    }

    /// Whether no dispatcher lives.
    pub fn is_deserted(&self) -> bool {
        self.is_deserted
    }

    fn of(tasks: BTreeMap<TaskId, Standing>) -> Self {
        let (moving, willing) = (
            moving(&tasks, |one| one.is_served),
            moving(&tasks, |_| true),
        );
        Self {
            tasks,
            moving,
            willing,
            is_deserted: false,
        }
    }
}

/// What a task's own standing says of whether it moves.
enum Own {
    Moves,
    Still(Standstill),
    AsItsParents,
}

impl Standing {
    /// Whether it moves where it is served.
    fn own(&self) -> Own {
        match (self.status, &self.paused) {
            (TaskStatus::Done | TaskStatus::Cancelled, _) => Own::Still(Standstill::Over),
            (TaskStatus::Blocked, _) => Own::Still(Standstill::Blocked),
            // What runs goes on, whoever stands over it.
            (TaskStatus::Running, _) => Own::Moves,
            (TaskStatus::Todo | TaskStatus::Scheduled | TaskStatus::Ready, Some(what)) => {
                Own::Still(Standstill::Paused(what.clone()))
            }
            (TaskStatus::Scheduled | TaskStatus::Ready, None) => Own::Moves,
            (TaskStatus::Todo, None) => Own::AsItsParents,
        }
    }
}

/// The tasks that move, where those that are `served` do so by themselves: what waits for others moves as
/// soon as each of them does. Tasks that wait for each other in a circle never do.
fn moving(
    tasks: &BTreeMap<TaskId, Standing>,
    served: impl Fn(&Standing) -> bool,
) -> BTreeSet<TaskId> {
    let mut children: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    let mut open: BTreeMap<TaskId, usize> = BTreeMap::new();
    let mut walk = Vec::new();
    for (&id, standing) in tasks {
        match standing.own() {
            Own::Moves if standing.status == TaskStatus::Running || served(standing) => {
                walk.push(id);
            }
            Own::AsItsParents if standing.waits_for.is_empty() => walk.push(id),
            Own::AsItsParents => {
                open.insert(id, standing.waits_for.len());
                for parent in &standing.waits_for {
                    children.entry(*parent).or_default().push(id);
                }
            }
            Own::Moves | Own::Still(_) => {}
        }
    }
    let mut moving = BTreeSet::new();
    while let Some(id) = walk.pop() {
        moving.insert(id);
        for child in children.remove(&id).unwrap_or_default() {
            if let Some(left) = open.get_mut(&child) {
                *left -= 1;
                if *left == 0 {
                    walk.push(child);
                }
            }
        }
    }
    moving
}

impl Store {
    /// Looks at what of a batch is not done, at these tasks, and at all that they wait for.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn outlook(
        &self,
        batch: Option<BatchId>,
        tasks: &[TaskId],
    ) -> Result<Outlook, Error> {
        let who = self.who_may_live();
        self.read(async |tx| {
            let facts = Facts {
                pauses: pauses(tx).await?,
                served: living(tx, &who)
                    .await?
                    .into_iter()
                    .map(|living| living.dispatcher.batch)
                    .collect(),
            };
            let mut found = BTreeMap::new();
            if batch.is_some() {
                read(tx, values![batch, None::<TaskId>], &facts, &mut found).await?;
            }
            for task in tasks {
                if !found.contains_key(task) {
                    read(tx, values![None::<BatchId>, *task], &facts, &mut found).await?;
                }
            }
            Ok(Outlook {
                is_deserted: facts.served.is_empty(),
                ..Outlook::of(found)
            })
        })
        .await
    }
}

/// What is so for every task.
struct Facts {
    pauses: Vec<Pause>,
    /// What each living dispatcher serves: a batch, or everything.
    served: Vec<Option<BatchId>>,
}

#[derive(FromRow)]
struct Columns {
    id: i64,
    title: String,
    status: String,
    assignee: String,
    batch_id: Option<i64>,
    paused_at: Option<i64>,
    parent_id: Option<i64>,
    not_needed: i64,
}

async fn read(
    tx: &mut Transaction,
    asked: Vec<crate::value::Value>,
    facts: &Facts,
    found: &mut BTreeMap<TaskId, Standing>,
) -> Result<(), Error> {
    let rows: Vec<Columns> = tx.fetch(&sql::OUTLOOK, asked).await?;
    let mut read = BTreeMap::new();
    for row in rows {
        let parent = row.parent_id.map(TaskId);
        let standing = match read.entry(TaskId(row.id)) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(new) => new.insert(row.standing(facts)?),
        };
        standing.waits_for.extend(parent);
    }
    found.extend(read);
    Ok(())
}

impl Columns {
    fn standing(self, facts: &Facts) -> Result<Standing, Error> {
        let batch = self.batch_id.map(BatchId);
        let paused = match self.paused_at {
            Some(_) => Some(Pausable::Task(TaskId(self.id))),
            None => facts
                .pauses
                .iter()
                .find(|pause| pause.holds(&self.assignee))
                .map(|pause| match &pause.profile {
                    Some(profile) => Pausable::Profile(profile.clone()),
                    None => Pausable::Store,
                }),
        };
        let serves = |served: &Option<BatchId>| served.is_none() || *served == batch;
        Ok(Standing {
            title: self.title,
            status: self.status.parse()?,
            batch,
            paused,
            is_served: facts.served.iter().any(serves),
            not_needed: self.not_needed != 0,
            waits_for: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: TaskStatus, waits_for: &[i64]) -> Standing {
        Standing {
            title: "t".to_owned(),
            status,
            batch: Some(BatchId(1)),
            paused: None,
            is_served: true,
            not_needed: false,
            waits_for: waits_for.iter().copied().map(TaskId).collect(),
        }
    }

    fn outlook(tasks: impl IntoIterator<Item = Standing>) -> Outlook {
        Outlook::of((1..).map(TaskId).zip(tasks).collect())
    }

    /// Each after the one before it.
    fn chain(statuses: &[TaskStatus]) -> Outlook {
        let tasks = statuses.iter().zip(0..).map(|(status, before)| {
            let waits = (*status == TaskStatus::Todo).then_some(before);
            standing(*status, waits.as_slice())
        });
        outlook(tasks.collect::<Vec<_>>())
    }

    #[test]
    fn a_task_moves_until_only_people_can_move_it_or_what_it_waits_for() {
        use TaskStatus::{Blocked, Cancelled, Ready, Running, Scheduled, Todo};
        for (statuses, moves) in [
            (&[Ready][..], true),
            (&[Running, Todo], true),
            (&[Scheduled, Todo, Todo], true),
            (&[Blocked, Todo, Todo], false),
            (&[Cancelled, Todo], false),
            (&[Blocked], false),
        ] {
            let outlook = chain(statuses);
            let last = TaskId(i64::try_from(statuses.len()).unwrap());
            assert_eq!(outlook.moves(last), moves, "{statuses:?}");
            assert_eq!(outlook.waits_for_a_person(last), !moves, "{statuses:?}");
            assert_eq!(outlook.any_moves_of(BatchId(1)), moves, "{statuses:?}");
        }
        let behind = chain(&[Blocked, Todo, Todo]);
        assert_eq!(behind.standstill(TaskId(1)), Some(Standstill::Blocked));
        let parent = Some(Standstill::Behind(TaskId(2)));
        assert_eq!(behind.standstill(TaskId(3)), parent);
        assert_eq!(behind.waits_for(TaskId(3)), [TaskId(2)]);
    }

    #[test]
    fn a_pause_keeps_what_has_not_begun_and_nothing_that_runs() {
        use TaskStatus::{Ready, Running, Scheduled, Todo};
        let paused = |status| Standing {
            paused: Some(Pausable::Store),
            ..standing(status, &[])
        };
        for status in [Todo, Scheduled, Ready] {
            let outlook = outlook([paused(status)]);
            assert!(outlook.waits_for_a_person(TaskId(1)), "{status}");
            let expected = Some(Standstill::Paused(Pausable::Store));
            assert_eq!(outlook.standstill(TaskId(1)), expected);
        }
        assert!(outlook([paused(Running)]).moves(TaskId(1)));
    }

    #[test]
    fn what_nobody_serves_waits_for_a_dispatcher_and_not_for_a_person() {
        use TaskStatus::{Blocked, Ready, Running, Todo};
        let unserved = |status, waits_for: &[i64]| Standing {
            is_served: false,
            ..standing(status, waits_for)
        };
        let behind = outlook([unserved(Ready, &[]), standing(Todo, &[1])]);
        assert_eq!(behind.standstill(TaskId(1)), Some(Standstill::NotServed));
        let parent = Some(Standstill::Behind(TaskId(1)));
        assert_eq!(behind.standstill(TaskId(2)), parent);
        assert!(!behind.waits_for_a_person(TaskId(2)));
        // What runs goes on by itself.
        assert!(outlook([unserved(Running, &[])]).moves(TaskId(1)));
        // The one for which a person must come is named first.
        let both = outlook([
            unserved(Ready, &[]),
            standing(Blocked, &[]),
            standing(Todo, &[1, 2]),
        ]);
        let parent = Some(Standstill::Behind(TaskId(2)));
        assert_eq!(both.standstill(TaskId(3)), parent);
        assert!(both.waits_for_a_person(TaskId(3)));
    }

    #[test]
    fn what_waits_in_a_circle_is_found_to_stand_still() {
        let circle = outlook([
            standing(TaskStatus::Todo, &[2]),
            standing(TaskStatus::Todo, &[1]),
        ]);
        let parent = Some(Standstill::Behind(TaskId(2)));
        assert_eq!(circle.standstill(TaskId(1)), parent);
        assert!(circle.waits_for_a_person(TaskId(1)));
    }

    #[test]
    fn every_parent_must_move() {
        use TaskStatus::{Blocked, Running, Todo};
        let tasks = [
            standing(Running, &[]),
            standing(Blocked, &[]),
            standing(Todo, &[1, 2]),
        ];
        assert!(!outlook(tasks).moves(TaskId(3)));
    }
}
