//! Reads the suspects: a few statements for the whole store, and one or two for each lane.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tenure_guard::{RunId, TaskId};

use super::rows::{
    AsksRow, BlockedRow, DesertedRow, EventRow, FreedRow, HeadRow, KeyRow, LaneRow, OverdueRow,
    PausedRow, ProfileRow, ResidueRow, TroubledRow, UnverifiedRow, WantedRow,
};
use super::{
    Deserted, FIRST, Freed, LATELY, MOST, MOST_LINKS, Scope, Suspects, Waiting, WantedProfile,
};
use crate::asks::{beyond_lane, beyond_us};
use crate::clock::{millis, timestamp};
use crate::connection::Row;
use crate::error::Error;
use crate::event::EventKind;
use crate::lane::Lane;
use crate::life::TaskStatus;
use crate::moved::small;
use crate::open::Store;
use crate::sql::{self, Statement};
use crate::transaction::Transaction;
use crate::value::{Value, values};

impl Store {
    /// Reads what looks wrong. A task counts as blocked for long after `long`.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn suspects(&self, scope: Scope, long: Duration) -> Result<Suspects, Error> {
        self.read(async |tx| read(tx, scope, long).await).await
    }
}

/// Among so many of the newest events of the store it is looked whether something was resumed.
const NEWEST: u32 = 100;

/// What is read, up to which bounds.
struct Reading<'a> {
    tx: &'a mut Transaction,
    scope: Scope,
    cut: Vec<&'static str>,
}

async fn read(tx: &mut Transaction, scope: Scope, long: Duration) -> Result<Suspects, Error> {
    let now = tx.now().await?;
    let mut reading = Reading {
        tx,
        scope,
        cut: Vec::new(),
    };
    let lanes = reading.lanes().await?;
    let running_of = reading.running_of(&lanes).await?;
    let (freed, resumed_at) = reading.room(now, &lanes).await?;
    Ok(Suspects {
        now: timestamp(now)?,
        troubled: reading
            .rows::<TroubledRow, _>(
                "troubled tasks",
                &sql::TROUBLED,
                Vec::new(),
                TroubledRow::read,
            )
            .await?,
        blocked: reading
            .rows(
                "blocked tasks",
                &sql::BLOCKED_LONG,
                values![now.saturating_sub(millis(long))],
                BlockedRow::read,
            )
            .await?,
        overdue: reading.overdue(now).await?,
        paused: reading
            .rows(
                "paused tasks",
                &sql::PAUSED_TASKS,
                Vec::new(),
                PausedRow::read,
            )
            .await?,
        wanted: reading.wanted().await?,
        deserted: reading.deserted().await?,
        residue: reading
            .rows(
                "tasks with residue",
                &sql::RESIDUE,
                Vec::new(),
                |row: ResidueRow| Ok((TaskId(row.id), RunId(row.run_id))),
            )
            .await?,
        unverified: reading
            .rows(
                "unverified runs",
                &sql::UNVERIFIED,
                Vec::new(),
                UnverifiedRow::read,
            )
            .await?,
        pauses: crate::read::pauses(reading.tx).await?,
        running_with: reading.running_with(&lanes).await?,
        running_of,
        freed,
        resumed_at,
        lanes,
        cut: reading.cut,
    })
}

impl Scope {
    /// The ids between which tasks are looked at.
    fn ids(self) -> (i64, i64) {
        match self {
            Self::Store => (0, i64::MAX),
            Self::Task(task) => (task.0, task.0),
        }
    }
}

/// What waits in a lane, and apart from it what of that is not understood.
fn apart(waiting: Waiting, first: &[AsksRow]) -> Result<Vec<Waiting>, Error> {
    let (beyond, understood): (Vec<&AsksRow>, Vec<&AsksRow>) =
        first.iter().partition(|row| row.beyond().is_some());
    let Some(head) = beyond.first() else {
        return Ok(vec![waiting]);
    };
    let mut lanes = vec![head.head(beyond.len(), &waiting)?];
    if let Some(head) = understood.first() {
        let number = (waiting.number as usize).saturating_sub(beyond.len());
        lanes.push(head.head(number, &waiting)?);
    }
    Ok(lanes)
}

impl Reading<'_> {
    /// The rows of a statement that takes two ids and a bound after what is `asked`.
    async fn rows<R: Row, T>(
        &mut self,
        what: &'static str,
        statement: &Statement,
        mut asked: Vec<Value>,
        read: impl Fn(R) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let (from, to) = self.scope.ids();
        asked.extend(values![from, to, MOST]);
        let rows: Vec<R> = self.tx.fetch(statement, asked).await?;
        self.note(what, rows.len());
        rows.into_iter().map(read).collect()
    }

    fn note(&mut self, what: &'static str, found: usize) {
        if u32::try_from(found).is_ok_and(|found| found >= MOST) {
            self.cut.push(what);
        }
    }

    async fn lanes(&mut self) -> Result<Vec<Waiting>, Error> {
        if let Scope::Task(task) = self.scope {
            return Ok(self.lane_of(task).await?.into_iter().collect());
        }
        let profiles: Vec<ProfileRow> = self.tx.fetch(&sql::READY_PROFILES, Vec::new()).await?;
        let mut lanes = Vec::new();
        for ProfileRow { profile } in profiles {
            let asked = values![profile.as_str()];
            for LaneRow { lane } in self.tx.fetch(&sql::LANES, asked).await? {
                if lanes.len() >= MOST as usize {
                    self.cut.push("lanes of ready tasks");
                    return Ok(lanes);
                }
                lanes.extend(self.lane(&profile, &lane).await?);
            }
        }
        Ok(lanes)
    }

    async fn lane(&mut self, profile: &str, text: &str) -> Result<Vec<Waiting>, Error> {
        let asked = values![profile, text, MOST, FIRST];
        let head: Option<HeadRow> = self.tx.fetch_one(&sql::READY_IN_LANE, asked).await?;
        let Some(head) = head else {
            return Ok(Vec::new());
        };
        if let Some(beyond) = beyond_lane(text) {
            let mut waiting = head.read(profile, Lane::default())?;
            waiting.beyond = Some(beyond);
            return Ok(vec![waiting]);
        }
        let waiting = head.read(profile, Lane::read(text)?)?;
        let asked = values![profile, text, FIRST];
        let first: Vec<AsksRow> = self.tx.fetch(&sql::ASKS_IN_LANE, asked).await?;
        apart(waiting, &first)
    }

    /// One task as a lane of its own, where it is ready and not paused.
    async fn lane_of(&mut self, task: TaskId) -> Result<Option<Waiting>, Error> {
        let row = crate::read::one_task(self.tx, task).await?;
        if row.status != TaskStatus::Ready || row.paused_at.is_some() {
            return Ok(None);
        }
        Ok(Some(Waiting {
            profile: row.assignee,
            skills: row.skills,
            requires: row.requires,
            limit_key: row.limit_key,
            limit: row.limit,
            first: task,
            batch: row.batch_id,
            number: 1,
            since: row.since,
            changed_at: row.updated_at,
            beyond: beyond_us(self.tx, task).await?,
        }))
    }

    async fn running_of(&mut self, lanes: &[Waiting]) -> Result<BTreeMap<String, u32>, Error> {
        let mut running = BTreeMap::new();
        for lane in lanes {
            if !running.contains_key(&lane.profile) {
                let asked = values![lane.profile.as_str()];
                let number = self.tx.number(&sql::RUNNING_OF_PROFILE, asked).await?;
                running.insert(lane.profile.clone(), small(number)?);
            }
        }
        Ok(running)
    }

    async fn running_with(&mut self, lanes: &[Waiting]) -> Result<BTreeMap<String, u32>, Error> {
        if lanes.iter().all(|lane| lane.limit_key.is_none()) {
            return Ok(BTreeMap::new());
        }
        let rows: Vec<KeyRow> = self.tx.fetch(&sql::RUNNING_BY_KEY, Vec::new()).await?;
        rows.into_iter()
            .map(|row| Ok((row.limit_key, small(row.number)?)))
            .collect()
    }

    /// What gave room lately, where something waits for any.
    async fn room(
        &mut self,
        now: i64,
        lanes: &[Waiting],
    ) -> Result<(Vec<Freed>, Option<Timestamp>), Error> {
        if lanes.is_empty() {
            return Ok((Vec::new(), None));
        }
        let after = now.saturating_sub(millis(LATELY));
        let asked = values![after, MOST];
        let rows: Vec<FreedRow> = self.tx.fetch(&sql::ENDED_LATELY, asked).await?;
        let freed: Result<Vec<Freed>, Error> = rows.into_iter().map(FreedRow::read).collect();
        let newest: Vec<EventRow> = self
            .tx
            .fetch(&sql::NEWEST_OF_STORE, values![NEWEST])
            .await?;
        let is_new = |one: &&EventRow| one.kind == EventKind::Resumed.name() && one.at > after;
        let resumed = newest.iter().find(is_new);
        let resumed_at = resumed.map(|one| timestamp(one.at)).transpose()?;
        Ok((freed?, resumed_at))
    }

    async fn overdue(&mut self, now: i64) -> Result<Option<(u32, TaskId)>, Error> {
        if self.scope != Scope::Store {
            return Ok(None);
        }
        let row: Option<OverdueRow> = self.tx.fetch_one(&sql::OVERDUE, values![now, MOST]).await?;
        let Some(OverdueRow { number, first }) = row else {
            return Ok(None);
        };
        first
            .map(|first| Ok((small(number)?, TaskId(first))))
            .transpose()
    }

    async fn wanted(&mut self) -> Result<Vec<WantedProfile>, Error> {
        if let Scope::Task(task) = self.scope {
            let row = crate::read::one_task(self.tx, task).await?;
            let waits = matches!(
                row.status,
                TaskStatus::Todo | TaskStatus::Scheduled | TaskStatus::Ready
            );
            let wanted = WantedProfile {
                name: row.assignee,
                first: task,
            };
            return Ok(waits.then_some(wanted).into_iter().collect());
        }
        let rows: Vec<WantedRow> = self.tx.fetch(&sql::PROFILES_WANTED, Vec::new()).await?;
        let wanted = rows.into_iter().filter_map(|row| {
            Some(WantedProfile {
                first: TaskId(row.first?),
                name: row.profile,
            })
        });
        Ok(wanted.collect())
    }

    async fn deserted(&mut self) -> Result<Vec<Deserted>, Error> {
        let rows: Vec<DesertedRow> = match self.scope {
            Scope::Store => {
                let asked = values![MOST_LINKS, MOST];
                self.tx.fetch(&sql::ENDED_PARENTS, asked).await?
            }
            Scope::Task(task) => {
                let asked = values![task];
                self.tx.fetch(&sql::ENDED_PARENTS_OF_TASK, asked).await?
            }
        };
        self.note("tasks that wait for an ended parent", rows.len());
        rows.into_iter().map(DesertedRow::read).collect()
    }
}
