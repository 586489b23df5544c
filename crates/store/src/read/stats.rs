//! stats: how the store as a whole is doing, at a price that does not grow with what is over.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::situation::{Gone, Pause, Serving, gone, pauses, serving};
use super::stored::Stored;
use crate::clock::timestamp;
use crate::error::Error;
use crate::life::Outcome;
use crate::open::Store;
use crate::sql;
use crate::transaction::{DAY_MS, Transaction};
use crate::value::values;

/// How the store as a whole is doing.
#[derive(Clone, Debug)]
pub struct Stats {
    /// When this was so, by the store's clock.
    pub at: Timestamp,
    /// Tasks that are not over.
    pub unfinished: Unfinished,
    /// The same by profile, where there are any.
    pub profiles: Vec<OfProfile>,
    /// How runs ended in the last [`Stats::DAYS`] days, today among them.
    pub ends: Vec<Tally>,
    /// The dispatchers that live.
    pub dispatchers: Vec<Serving>,
    /// Those that are gone while runs of them are open.
    pub gone: Vec<Gone>,
    /// What may not start.
    pub pauses: Vec<Pause>,
}

impl Stats {
    /// How many days of ends are told.
    pub const DAYS: u32 = 7;
}

/// How many tasks that are not over stand where. What was put away is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "a field for each status, named alike")]
pub struct Unfinished {
    pub todo: u64,
    pub scheduled: u64,
    pub ready: u64,
    pub running: u64,
    pub blocked: u64,
}

/// How many tasks of a profile wait, run and need a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfProfile {
    /// Its name.
    pub profile: String,
    /// So many are ready.
    pub ready: u64,
    /// So many run.
    pub running: u64,
    /// So many are blocked.
    pub blocked: u64,
    /// Since when the one that has been ready longest is; unknown where very many tasks of other
    /// profiles have been ready for longer.
    pub ready_since: Option<Timestamp>,
}

/// How often runs of a profile ended so, and how long they took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// The profile.
    pub profile: String,
    /// How they ended.
    pub outcome: Stored<Outcome>,
    /// So many.
    pub runs: u64,
    /// How long one took on average, in milliseconds.
    pub mean_ms: u64,
}

/// How many of the tasks that are ready longest are looked at.
const LONGEST: u32 = 1000;

impl Store {
    /// How the store as a whole is doing.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        let who = self.who_may_live();
        self.read(async |tx| {
            let dispatchers = serving(tx, &who).await?;
            Ok(Stats {
                at: timestamp(tx.now().await?)?,
                unfinished: unfinished(tx).await?,
                profiles: by_profile(tx).await?,
                ends: ends(tx).await?,
                gone: gone(tx, &dispatchers).await?,
                dispatchers,
                pauses: pauses(tx).await?,
            })
        })
        .await
    }
}

#[derive(FromRow)]
struct UnfinishedColumns {
    todo: i64,
    scheduled: i64,
    ready: i64,
    running: i64,
    blocked: i64,
}

async fn unfinished(tx: &mut Transaction) -> Result<Unfinished, Error> {
    let row = tx.fetch_one::<UnfinishedColumns>(&sql::UNFINISHED, Vec::new());
    let row = row
        .await?
        .ok_or_else(|| Error::Unreadable("unfinished answered with no row".into()))?;
    Ok(Unfinished {
        todo: row.todo.unsigned_abs(),
        scheduled: row.scheduled.unsigned_abs(),
        ready: row.ready.unsigned_abs(),
        running: row.running.unsigned_abs(),
        blocked: row.blocked.unsigned_abs(),
    })
}

#[derive(FromRow)]
struct ProfileColumns {
    profile: String,
    ready: i64,
    running: i64,
    blocked: i64,
}

#[derive(FromRow)]
struct ReadyColumns {
    profile: String,
    since: i64,
}

async fn by_profile(tx: &mut Transaction) -> Result<Vec<OfProfile>, Error> {
    let rows: Vec<ProfileColumns> = tx.fetch(&sql::BY_PROFILE, Vec::new()).await?;
    let ready: Vec<ReadyColumns> = tx.fetch(&sql::READY_LONGEST, values![LONGEST]).await?;
    let mut longest = BTreeMap::new();
    for row in ready {
        let since = timestamp(row.since)?;
        longest.entry(row.profile).or_insert(since);
    }
    let has_any = |row: &ProfileColumns| row.ready + row.running + row.blocked > 0;
    Ok(rows
        .into_iter()
        .filter(has_any)
        .map(|row| OfProfile {
            ready_since: longest.get(&row.profile).copied(),
            ready: row.ready.unsigned_abs(),
            running: row.running.unsigned_abs(),
            blocked: row.blocked.unsigned_abs(),
            profile: row.profile,
        })
        .collect())
}

#[derive(FromRow)]
struct TallyColumns {
    profile: String,
    outcome: String,
    runs: i64,
    run_ms: i64,
}

async fn ends(tx: &mut Transaction) -> Result<Vec<Tally>, Error> {
    let today = tx.now().await?.div_euclid(DAY_MS);
    let first = today - i64::from(Stats::DAYS) + 1;
    let rows: Vec<TallyColumns> = tx.fetch(&sql::TALLIES, values![first]).await?;
    rows.into_iter()
        .map(|row| {
            let mean_ms = row.run_ms.checked_div(row.runs).unwrap_or_default();
            Ok(Tally {
                profile: row.profile,
                outcome: Stored::word(row.outcome),
                runs: row.runs.unsigned_abs(),
                mean_ms: mean_ms.unsigned_abs(),
            })
        })
        .collect()
}
