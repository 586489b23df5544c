//! Reads the suspects: a few statements for the whole store, and one or two for each lane.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::FromRow;
use tenure_guard::{RunId, TaskId};

use super::{
    Blocked, Deserted, EndedRun, FIRST, MOST, MOST_LINKS, PausedTask, Scope, Suspects, Troubled,
    Unverified, Waiting, WantedProfile,
};
use crate::clock::{millis, timestamp};
use crate::connection::Row;
use crate::error::Error;
use crate::ids::BatchId;
use crate::lane::Lane;
use crate::life::{End, Outcome, Streaks, TaskStatus};
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

    async fn lane(&mut self, profile: &str, text: &str) -> Result<Option<Waiting>, Error> {
        let asked = values![profile, text, MOST, FIRST];
        let head: Option<HeadRow> = self.tx.fetch_one(&sql::READY_IN_LANE, asked).await?;
        let lane = Lane::read(text)?;
        head.map(|head| head.read(profile, lane)).transpose()
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
            limit_key: row.limit_key,
            limit: row.limit,
            first: task,
            batch: row.batch_id,
            number: 1,
            since: row.since,
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

#[derive(FromRow)]
struct TroubledRow {
    id: i64,
    status: String,
    assignee: String,
    not_before: Option<i64>,
    failures: i64,
    violations: i64,
    defers: i64,
    benign: i64,
    lost: i64,
    blocks: i64,
    run_a: Option<i64>,
    outcome_a: Option<String>,
    reason_a: Option<String>,
    seen_a: Option<String>,
    run_b: Option<i64>,
    outcome_b: Option<String>,
    reason_b: Option<String>,
    seen_b: Option<String>,
    outcome_c: Option<String>,
}

impl TroubledRow {
    fn read(self) -> Result<Troubled, Error> {
        let ends = [&self.outcome_a, &self.outcome_b, &self.outcome_c];
        let ended = ends.into_iter().flatten();
        let crashes = ended.take_while(|word| *word == Outcome::Crashed.name());
        let crashes = small(i64::try_from(crashes.count()).unwrap_or(0))?;
        // The newest one may still be open.
        let newest = match ended_run(
            self.run_a,
            self.outcome_a,
            self.reason_a,
            self.seen_a.as_deref(),
        )? {
            Some(newest) => Some(newest),
            None => ended_run(
                self.run_b,
                self.outcome_b,
                self.reason_b,
                self.seen_b.as_deref(),
            )?,
        };
        Ok(Troubled {
            task: TaskId(self.id),
            status: self.status.parse()?,
            profile: self.assignee,
            not_before: self.not_before.map(timestamp).transpose()?,
            streaks: Streaks {
                failures: small(self.failures)?,
                violations: small(self.violations)?,
                defers: small(self.defers)?,
                benign: small(self.benign)?,
                lost: small(self.lost)?,
                blocks: small(self.blocks)?,
            },
            newest,
            crashes,
        })
    }
}

fn ended_run(
    run: Option<i64>,
    outcome: Option<String>,
    reason: Option<String>,
    seen: Option<&str>,
) -> Result<Option<EndedRun>, Error> {
    let (Some(run), Some(outcome)) = (run, outcome) else {
        return Ok(None);
    };
    let seen: Option<End> = seen.map(serde_json::from_str).transpose()?;
    Ok(Some(EndedRun {
        run: RunId(run),
        outcome: outcome.parse()?,
        reason: reason.unwrap_or_default(),
        stood_down: seen.and_then(|end| match end {
            End::StoodDown { reason } => Some(reason),
            End::Exited { stood_down, .. } => stood_down,
            End::SpawnFailed { .. }
            | End::NeverStarted { .. }
            | End::Unseen { .. }
            | End::Lapsed { .. } => None,
        }),
    }))
}

#[derive(FromRow)]
struct BlockedRow {
    id: i64,
    block_kind: String,
    block_reason: String,
    since: i64,
}

impl BlockedRow {
    fn read(self) -> Result<Blocked, Error> {
        Ok(Blocked {
            task: TaskId(self.id),
            kind: crate::moved::block_kind(&self.block_kind)?,
            reason: self.block_reason,
            since: timestamp(self.since)?,
        })
    }
}

#[derive(FromRow)]
struct ProfileRow {
    profile: String,
}

#[derive(FromRow)]
struct LaneRow {
    lane: String,
}

#[derive(FromRow)]
struct HeadRow {
    id: i64,
    batch_id: Option<i64>,
    key_limit: Option<i64>,
    number: i64,
    since: i64,
}

impl HeadRow {
    fn read(self, profile: &str, lane: Lane) -> Result<Waiting, Error> {
        Ok(Waiting {
            profile: profile.to_owned(),
            skills: lane.skills,
            limit_key: lane.limit_key,
            limit: self.key_limit.map(small).transpose()?,
            first: TaskId(self.id),
            batch: self.batch_id.map(BatchId),
            number: small(self.number)?,
            since: timestamp(self.since)?,
        })
    }
}

#[derive(FromRow)]
struct KeyRow {
    limit_key: String,
    number: i64,
}

#[derive(FromRow)]
struct OverdueRow {
    number: i64,
    first: Option<i64>,
}

#[derive(FromRow)]
struct PausedRow {
    id: i64,
    status: String,
    paused_at: i64,
}

impl PausedRow {
    fn read(self) -> Result<PausedTask, Error> {
        Ok(PausedTask {
            task: TaskId(self.id),
            status: self.status.parse()?,
            since: timestamp(self.paused_at)?,
        })
    }
}

#[derive(FromRow)]
struct WantedRow {
    profile: String,
    first: Option<i64>,
}

#[derive(FromRow)]
struct DesertedRow {
    id: i64,
    parent_id: i64,
    parent_title: String,
    parent_status: String,
}

impl DesertedRow {
    fn read(self) -> Result<Deserted, Error> {
        Ok(Deserted {
            task: TaskId(self.id),
            parent: TaskId(self.parent_id),
            parent_title: self.parent_title,
            parent_status: self.parent_status.parse()?,
        })
    }
}

#[derive(FromRow)]
struct ResidueRow {
    id: i64,
    run_id: i64,
}

#[derive(FromRow)]
struct UnverifiedRow {
    run_id: i64,
    task_id: i64,
    host_id: Option<String>,
    boot_id: Option<String>,
    warden_pid: Option<i64>,
    ended_at: i64,
    has_moved_on: i64,
}

impl UnverifiedRow {
    fn read(self) -> Result<Unverified, Error> {
        Ok(Unverified {
            run: RunId(self.run_id),
            task: TaskId(self.task_id),
            host: self.host_id.zip(self.boot_id),
            warden: self.warden_pid.and_then(|pid| i32::try_from(pid).ok()),
            ended_at: timestamp(self.ended_at)?,
            has_moved_on: self.has_moved_on != 0,
        })
    }
}
