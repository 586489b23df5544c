//! situation: everything that decides why a task stands where it stands, read at one moment and
//! within bounds. What follows from it is for whoever explains.

use jiff::Timestamp;
use sqlx::FromRow;
use tenure_guard::{BlockKind, TaskId};

use super::decode::{EventColumns, RunColumns, Shown, show_all};
use super::last_served::{LastServed, last_served};
use super::one_task;
use super::rows::{Detail, RunView, TaskRow};
use crate::asks::beyond_us;
use crate::clock::timestamp;
use crate::dispatcher::{Dispatcher, Living, WhoMayLive, dispatcher_id, known, living};
use crate::error::Error;
use crate::event::Event;
use crate::ids::DispatcherId;
use crate::lane::Lane;
use crate::life::{LinkKind, TaskStatus};
use crate::moved::block_kind;
use crate::open::Store;
use crate::pause::PROFILE;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// A task with all that it waits for, and its newest runs.
#[derive(Clone, Debug)]
pub struct Situation {
    /// When this was so, by the store's clock.
    pub at: Timestamp,
    /// The task.
    pub task: TaskRow,
    /// The parents that it waits for, the first [`Situation::MOST`].
    pub parents: Vec<WaitedFor>,
    /// What its parents wait for in turn and what needs a person, the first [`Situation::MOST`].
    pub stuck_above: Vec<WaitedFor>,
    /// Tasks that wait for it, the first [`Situation::MOST`].
    pub children: Vec<TaskId>,
    /// Its newest runs, newest first, at most [`Situation::RUNS`].
    pub runs: Vec<RunView>,
    /// Its newest events, newest first, at most [`Detail::EVENTS`].
    pub events: Vec<Event>,
    /// The dispatchers that live, each with how many open runs it has.
    pub dispatchers: Vec<Serving>,
    /// Who served the store last, where nobody does; nothing where nobody ever did.
    pub last_served: Option<LastServed>,
    /// What may not start.
    pub pauses: Vec<Pause>,
    /// How many run of its profile, over the whole store.
    pub running_of_profile: u64,
    /// Which these are, at most [`Situation::MOST`].
    pub running_with_profile: Vec<Holder>,
    /// How many run with its limit key, over the whole store; none where it has no key.
    pub running_of_key: u64,
    /// Which these are, at most [`Situation::MOST`].
    pub running_with_key: Vec<Holder>,
    /// Its place in the order, where it is ready.
    pub place: Option<Place>,
    /// What it asks that this program, and any that knows no later schema version, does not understand.
    pub beyond: Option<String>,
}

impl Situation {
    /// How many runs are looked at: the newest tell why, the others only how often.
    pub const RUNS: u32 = 20;
    /// How many related tasks are named: more are not for people.
    pub const MOST: u32 = 100;
}

/// A parent that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are the columns of the task and of the link, named alike"
)]
pub struct WaitedFor {
    pub id: TaskId,
    pub title: String,
    pub status: TaskStatus,
    pub block_kind: Option<BlockKind>,
    pub block_reason: Option<String>,
    pub called_off: Option<CalledOff>,
    pub since: Timestamp,
    pub kind: LinkKind,
}

/// Who cancelled a task, or put it away before it was done, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct CalledOff {
    /// Who.
    pub by: String,
    /// Why, where that was said.
    pub reason: Option<String>,
}

/// A task that runs, and takes up room by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The task.
    pub id: TaskId,
    /// Since when it runs.
    pub since: Timestamp,
}

/// A living dispatcher at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// It.
    pub dispatcher: Dispatcher,
    /// How many of its slots are taken.
    pub runs: u64,
    /// When it claimed the newest of these runs.
    pub newest: Option<Timestamp>,
    /// When it began.
    pub started_at: Timestamp,
    /// Since when it gives no sign of life, where that is too long; on SQLite its lock says that it
    /// lives.
    pub quiet_since: Option<Timestamp>,
    /// When it gave its last sign of life; on SQLite its lock says that it lives.
    pub seen_at: Option<Timestamp>,
}

/// A dispatcher that does not live any more, while runs of it are open: it was killed, its host is silent,
/// or it left its workers to their wardens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// It.
    pub dispatcher: Dispatcher,
    /// When it gave its last sign of life; on SQLite there are none.
    pub seen_at: Option<Timestamp>,
    /// So many of its runs are open: under their wardens, or not closed yet.
    pub runs: u64,
}

/// What may not start: the store as a whole, or a profile.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pause {
    /// The profile; `None` is the whole store.
    pub profile: Option<String>,
    /// Who paused it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

impl Pause {
    /// Whether it keeps tasks of a profile from starting.
    pub fn holds(&self, profile: &str) -> bool {
        self.profile.as_deref().is_none_or(|of| of == profile)
    }
}

/// How many stand before a ready task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// With its profile, its skills and its limit key.
    pub before_in_lane: Counted,
    /// With its profile, whatever else they ask for.
    pub before_in_profile: Counted,
}

/// A number that was counted up to a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counted {
    /// So many.
    pub number: u64,
    /// Or more.
    pub at_least: bool,
}

impl Counted {
    pub(super) fn up_to(bound: u32, number: i64) -> Self {
        Self {
            number: number.unsigned_abs().min(bound.into()),
            at_least: number > i64::from(bound),
        }
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at_least {
            write!(f, "more than {}", self.number)
        } else {
            write!(f, "{}", self.number)
        }
    }
}

/// How far a place in the order is counted: beyond this it is far.
const FAR: u32 = 1000;

/// In how many lanes of a profile a place is counted: each is a step of the index.
const LANES: usize = 50;

impl Store {
    /// Everything that decides why a task stands where it stands.
    ///
    /// # Errors
    /// [`Error::NoSuchTask`], [`Error::Unavailable`].
    pub async fn situation(&self, task: TaskId) -> Result<Situation, Error> {
        // Asked before the moment that is read: a lock is no part of the database.
        let who = self.who_may_live();
        self.read(async |tx| {
            let row = one_task(tx, task).await?;
            let newest = values![task, Situation::RUNS];
            let runs = tx.fetch(&sql::NEWEST_RUNS_OF_TASK, newest).await?;
            let newest = values![task, Detail::EVENTS];
            let events = tx.fetch(&sql::NEWEST_EVENTS_OF_TASK, newest).await?;
            let (running_of_key, running_with_key) = with_key(tx, row.limit_key.as_deref()).await?;
            let of_profile = values![row.assignee.as_str(), Situation::MOST];
            let related = values![task, Situation::MOST];
            let parents: Vec<ParentColumns> = tx.fetch(&sql::UNMET_PARENTS, related).await?;
            let (dispatchers, last_served) = serving_or_last(tx, &who).await?;
            Ok(Situation {
                at: timestamp(tx.now().await?)?,
                runs: show_all::<RunColumns>(runs)?,
                events: show_all::<EventColumns>(events)?,
                parents: show_all(parents)?,
                stuck_above: stuck_above(tx, task).await?,
                children: children(tx, task).await?,
                dispatchers,
                last_served,
                pauses: pauses(tx).await?,
                running_of_profile: tx
                    .number(&sql::RUNNING_OF_PROFILE, values![row.assignee.as_str()])
                    .await?
                    .unsigned_abs(),
                running_with_profile: show_all::<HolderColumns>(
                    tx.fetch(&sql::RUNNING_WITH_PROFILE, of_profile).await?,
                )?,
                running_of_key,
                running_with_key,
                place: place(tx, &row).await?,
                beyond: beyond_us(tx, task).await?,
                task: row,
            })
        })
        .await
    }

    /// The dispatchers that live, each with its open runs; and where none does, who served the store
    /// last, unless nobody ever did.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn serving_or_last(&self) -> Result<(Vec<Serving>, Option<LastServed>), Error> {
        let who = self.who_may_live();
        self.read(async |tx| serving_or_last(tx, &who).await).await
    }

    /// The dispatchers that live, each with its open runs.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn serving(&self) -> Result<Vec<Serving>, Error> {
        let who = self.who_may_live();
        self.read(async |tx| serving(tx, &who).await).await
    }
}

/// How many run with a limit key, and the first of them.
async fn with_key(tx: &mut Transaction, key: Option<&str>) -> Result<(u64, Vec<Holder>), Error> {
    let Some(key) = key else {
        return Ok((0, Vec::new()));
    };
    let number = tx.number(&sql::RUNNING_OF_KEY, values![key]).await?;
    let asked = values![key, Situation::MOST];
    let first = show_all::<HolderColumns>(tx.fetch(&sql::RUNNING_WITH_KEY, asked).await?)?;
    Ok((number.unsigned_abs(), first))
}

#[derive(FromRow)]
struct ParentColumns {
    id: i64,
    title: String,
    status: String,
    block_kind: Option<String>,
    block_reason: Option<String>,
    called_off: Option<String>,
    since: i64,
    kind: String,
}

impl Shown for ParentColumns {
    type As = WaitedFor;

    fn show(self) -> Result<WaitedFor, Error> {
        Ok(WaitedFor {
            id: TaskId(self.id),
            title: self.title,
            status: self.status.parse()?,
            block_kind: self.block_kind.as_deref().map(block_kind).transpose()?,
            block_reason: self.block_reason,
            called_off: self
                .called_off
                .as_deref()
                .map(serde_json::from_str)
                .transpose()?,
            since: timestamp(self.since)?,
            kind: self.kind.parse()?,
        })
    }
}

#[derive(FromRow)]
struct PauseColumns {
    what: String,
    paused_by: String,
    reason: Option<String>,
    paused_at: i64,
}

impl Shown for PauseColumns {
    type As = Pause;

    fn show(self) -> Result<Pause, Error> {
        Ok(Pause {
            profile: self.what.strip_prefix(PROFILE).map(ToOwned::to_owned),
            by: self.paused_by,
            reason: self.reason,
            since: timestamp(self.paused_at)?,
        })
    }
}

/// What may not start, the store first.
pub(crate) async fn pauses(tx: &mut Transaction) -> Result<Vec<Pause>, Error> {
    let mut pauses = show_all::<PauseColumns>(tx.fetch(&sql::PAUSES, Vec::new()).await?)?;
    pauses.sort_by(|one, other| one.profile.cmp(&other.profile));
    Ok(pauses)
}

/// The living dispatchers with their open runs.
pub(super) async fn serving(tx: &mut Transaction, who: &WhoMayLive) -> Result<Vec<Serving>, Error> {
    let counts = open_runs(tx).await?;
    let living = living(tx, who).await?;
    living
        .into_iter()
        .map(
            |Living {
                 dispatcher,
                 quiet_since,
                 seen_at,
                 started_at,
             }| {
                let count = counts.iter().find(|row| row.id == dispatcher.id);
                Ok(Serving {
                    started_at,
                    quiet_since,
                    seen_at,
                    dispatcher,
                    runs: count.map_or(0, |row| row.number.unsigned_abs()),
                    newest: count.map(|row| timestamp(row.newest)).transpose()?,
                })
            },
        )
        .collect()
}

/// The living dispatchers, else who was there last.
async fn serving_or_last(
    tx: &mut Transaction,
    who: &WhoMayLive,
) -> Result<(Vec<Serving>, Option<LastServed>), Error> {
    let serving = serving(tx, who).await?;
    let last = if serving.is_empty() {
        last_served(tx, who).await?
    } else {
        None
    };
    Ok((serving, last))
}

/// Who is gone while runs of it are open; `serving` live.
pub(super) async fn gone(tx: &mut Transaction, serving: &[Serving]) -> Result<Vec<Gone>, Error> {
    let mut gone = Vec::new();
    for row in open_runs(tx).await? {
        if serving.iter().any(|one| one.dispatcher.id == row.id) {
            continue;
        }
        if let Some((dispatcher, seen_at)) = known(tx, row.id).await? {
            gone.push(Gone {
                dispatcher,
                seen_at,
                runs: row.number.unsigned_abs(),
            });
        }
    }
    Ok(gone)
}

#[derive(FromRow)]
struct OpenRunsColumns {
    dispatcher_id: String,
    number: i64,
    newest: i64,
}

/// The open runs of a dispatcher, living or not.
struct OpenRuns {
    id: DispatcherId,
    number: i64,
    newest: i64,
}

async fn open_runs(tx: &mut Transaction) -> Result<Vec<OpenRuns>, Error> {
    let rows: Vec<OpenRunsColumns> = tx.fetch(&sql::OPEN_RUNS, Vec::new()).await?;
    let read = |row: OpenRunsColumns| {
        Ok(OpenRuns {
            id: dispatcher_id(&row.dispatcher_id)?,
            number: row.number,
            newest: row.newest,
        })
    };
    rows.into_iter().map(read).collect()
}

#[derive(FromRow)]
struct HolderColumns {
    id: i64,
    since: i64,
}

impl Shown for HolderColumns {
    type As = Holder;

    fn show(self) -> Result<Holder, Error> {
        Ok(Holder {
            id: TaskId(self.id),
            since: timestamp(self.since)?,
        })
    }
}

#[derive(FromRow)]
struct IdColumn {
    id: i64,
}

/// How many tasks above a task are looked at: whoever builds more than that looks by steps.
const ABOVE: u32 = 1000;

/// What needs a person among what its parents wait for.
async fn stuck_above(tx: &mut Transaction, task: TaskId) -> Result<Vec<WaitedFor>, Error> {
    let asked = values![task, ABOVE, Situation::MOST];
    let mut stuck = show_all::<ParentColumns>(tx.fetch(&sql::STUCK_ABOVE, asked).await?)?;
    stuck.sort_by_key(|task| task.id);
    Ok(stuck)
}

/// The tasks that wait for a task.
async fn children(tx: &mut Transaction, task: TaskId) -> Result<Vec<TaskId>, Error> {
    let asked = values![task, Situation::MOST];
    let rows: Vec<IdColumn> = tx.fetch(&sql::UNMET_CHILDREN, asked).await?;
    Ok(rows.into_iter().map(|row| TaskId(row.id)).collect())
}

#[derive(FromRow)]
struct LaneColumn {
    lane: String,
}

/// Counts who would be taken before a ready task, lane by lane.
async fn place(tx: &mut Transaction, task: &TaskRow) -> Result<Option<Place>, Error> {
    if task.status != TaskStatus::Ready || task.paused_at.is_some() {
        return Ok(None);
    }
    let limit = task.limit_key.as_deref().zip(task.limit);
    let own = Lane::of(&task.skills, &task.requires, limit).text()?;
    let before_in_lane = before(tx, task, &own, FAR).await?;
    let profile = values![task.assignee.as_str()];
    let lanes: Vec<LaneColumn> = tx.fetch(&sql::LANES, profile).await?;
    let others = lanes.iter().map(|row| row.lane.as_str());
    let others: Vec<&str> = others.filter(|lane| *lane != own).collect();
    let mut number = before_in_lane;
    for lane in others.iter().take(LANES) {
        if number > i64::from(FAR) {
            break;
        }
        number += before(tx, task, lane, FAR).await?;
    }
    let mut before_in_profile = Counted::up_to(FAR, number);
    before_in_profile.at_least |= others.len() > LANES;
    Ok(Some(Place {
        before_in_lane: Counted::up_to(FAR, before_in_lane),
        before_in_profile,
    }))
}

async fn before(
    tx: &mut Transaction,
    task: &TaskRow,
    lane: &str,
    bound: u32,
) -> Result<i64, Error> {
    /// An hour of waiting is worth a point of priority; the index of ready tasks says the same.
    const POINT_MS: i64 = 3_600_000;
    let place = task
        .queued_at
        .as_millisecond()
        .saturating_sub(task.priority.saturating_mul(POINT_MS));
    let asked = values![
        task.assignee.as_str(),
        lane,
        place,
        task.id,
        bound.saturating_add(1)
    ];
    tx.number(&sql::BEFORE_IN_LANE, asked).await
}
