//! Which tasks a claim takes: those with the best places among all that a profile with room, a lane
//! that it can serve and a limit key with room allow.

use std::collections::HashMap;

use sqlx::FromRow;
use tenure_guard::TaskId;

use super::{Candidate, Offer, Wanted};
use crate::asks::Asks;
use crate::error::Error;
use crate::lane::Lane;
use crate::moved::small;
use crate::read::pauses;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// What stands for all limit keys where a lock is taken; no profile is called so.
const KEYS: &str = "limit_key:";

/// Where something is not understood there is most likely more of it: the next look goes so far at once.
const PAGE: u32 = 64;

/// So many tasks of a profile that are not understood are looked past, in one claim; newer programs put what
/// older ones do not know into lanes of its own, of which nothing is read.
const LEFT_ALONE: usize = 1024;

/// What may be taken of one offer.
struct Share<'a> {
    offer: &'a Offer,
    /// So many at most.
    room: u32,
    /// From these lanes.
    lanes: Vec<Lane>,
}

/// A task as the store has it.
#[derive(FromRow)]
struct CandidateRow {
    id: i64,
    title: String,
    body: String,
    assignee: String,
    command: Option<String>,
    cwd: String,
    env: String,
    limits: String,
    attempts: i64,
    limit_key: Option<String>,
    key_limit: Option<i64>,
    place: i64,
}

impl CandidateRow {
    fn read(self) -> Result<Candidate, Error> {
        let limit = self.key_limit.map(small).transpose()?;
        Ok(Candidate {
            task: TaskId(self.id),
            asks: Asks::read(self.command.as_deref(), &self.env, &self.limits)?,
            title: self.title,
            body: self.body,
            assignee: self.assignee,
            cwd: self.cwd.into(),
            attempts: small(self.attempts)?,
            key: self.limit_key.zip(limit),
            place: self.place,
        })
    }
}

#[derive(FromRow)]
struct LaneRow {
    lane: String,
}

#[derive(FromRow)]
struct KeyRow {
    limit_key: String,
    number: i64,
}

impl Wanted {
    /// The tasks to take, in the order in which they shall start, each with the offer it is for.
    pub(super) async fn choose(
        &self,
        tx: &mut Transaction,
    ) -> Result<Vec<(&Offer, Candidate)>, Error> {
        let mut shares = Vec::with_capacity(self.offers.len());
        let pauses = pauses(tx).await?;
        let is_paused = |offer: &&Offer| pauses.iter().any(|pause| pause.holds(&offer.profile));
        for offer in self.offers.iter().filter(|offer| !is_paused(offer)) {
            shares.push(self.share(tx, offer).await?);
        }
        let mut running = self.running_by_key(tx, &shares).await?;
        for share in &mut shares {
            share.lanes.retain(|lane| has_room(&running, lane));
        }
        let mut candidates = Vec::new();
        for (index, share) in shares.iter().enumerate() {
            let found = self.candidates(tx, share).await?;
            candidates.extend(found.into_iter().map(|candidate| (index, candidate)));
        }
        candidates.sort_by_key(|(_, candidate)| (candidate.place, candidate.task));
        let mut chosen = Vec::new();
        let mut room = self.room;
        for (index, candidate) in candidates {
            let share = &mut shares[index];
            if room == 0 {
                break;
            }
            if share.room == 0 || !takes_key(&mut running, &candidate) {
                continue;
            }
            share.room -= 1;
            room -= 1;
            chosen.push((share.offer, candidate));
        }
        Ok(chosen)
    }

    async fn share<'a>(&self, tx: &mut Transaction, offer: &'a Offer) -> Result<Share<'a>, Error> {
        let room = self.room_of(tx, offer).await?;
        let lanes = if room == 0 {
            Vec::new()
        } else {
            self.lanes(tx, offer).await?
        };
        Ok(Share { offer, room, lanes })
    }

    /// How many more of this profile may run.
    async fn room_of(&self, tx: &mut Transaction, offer: &Offer) -> Result<u32, Error> {
        let Some(cap) = offer.max_running else {
            return Ok(self.room);
        };
        let profile = offer.profile.as_str();
        tx.execute(&sql::LOCK_PROFILE, values![profile]).await?;
        let running = tx
            .number(&sql::RUNNING_OF_PROFILE, values![profile])
            .await?;
        Ok(cap.saturating_sub(small(running)?).min(self.room))
    }

    /// The lanes in which something waits that this profile can do. It costs the number of lanes,
    /// however many tasks wait in them.
    async fn lanes(&self, tx: &mut Transaction, offer: &Offer) -> Result<Vec<Lane>, Error> {
        let profile = offer.profile.as_str();
        let rows: Vec<LaneRow> = match self.batch {
            Some(batch) => {
                tx.fetch(&sql::LANES_OF_BATCH, values![profile, batch])
                    .await?
            }
            None => tx.fetch(&sql::LANES, values![profile]).await?,
        };
        let mut lanes = Vec::with_capacity(rows.len());
        for row in rows {
            // It asks for something that only newer programs know.
            let Ok(lane) = Lane::read(&row.lane) else {
                continue;
            };
            let is_able = lane.skills.iter().all(|skill| offer.skills.contains(skill));
            if is_able
                && lane
                    .requires
                    .iter()
                    .all(|label| self.labels.contains(label))
            {
                lanes.push(lane);
            }
        }
        Ok(lanes)
    }

    /// How many run with each limit key, where one matters. Whoever counts them is alone with that
    /// until it commits.
    async fn running_by_key(
        &self,
        tx: &mut Transaction,
        shares: &[Share<'_>],
    ) -> Result<HashMap<String, u32>, Error> {
        let mut lanes = shares.iter().flat_map(|share| &share.lanes);
        if lanes.all(|lane| lane.limit_key.is_none()) {
            return Ok(HashMap::new());
        }
        tx.execute(&sql::LOCK_PROFILE, values![KEYS]).await?;
        let rows: Vec<KeyRow> = tx.fetch(&sql::RUNNING_BY_KEY, Vec::new()).await?;
        rows.into_iter()
            .map(|row| Ok((row.limit_key, small(row.number)?)))
            .collect()
    }

    /// The best of each lane. Those that are not understood here are looked past, so that others do not
    /// wait behind them.
    async fn candidates(
        &self,
        tx: &mut Transaction,
        share: &Share<'_>,
    ) -> Result<Vec<Candidate>, Error> {
        if share.lanes.is_empty() {
            return Ok(Vec::new());
        }
        let lanes: Result<Vec<String>, Error> = share.lanes.iter().map(Lane::text).collect();
        let lanes = serde_json::to_string(&lanes?)?;
        let profile = share.offer.profile.as_str();
        let mut left_alone: Vec<i64> = Vec::new();
        let mut number = share.room;
        loop {
            let mut asked = values![
                profile,
                number,
                lanes.as_str(),
                serde_json::to_string(&left_alone)?
            ];
            let best = if let Some(batch) = self.batch {
                asked.extend(values![batch]);
                &sql::CANDIDATES_OF_BATCH
            } else {
                &sql::CANDIDATES
            };
            let rows: Vec<CandidateRow> = tx.fetch(best, asked).await?;
            let before = left_alone.len();
            let mut candidates = Vec::with_capacity(rows.len());
            for row in rows {
                let id = row.id;
                match row.read() {
                    Ok(candidate) => candidates.push(candidate),
                    Err(error) => {
                        tracing::debug!(task.id = id, error = %error, "left alone: not understood");
                        left_alone.push(id);
                    }
                }
            }
            if left_alone.len() == before || before >= LEFT_ALONE {
                return Ok(candidates);
            }
            number = share.room.max(PAGE);
        }
    }
}

/// Whether one more task of a lane may run, by its limit key.
fn has_room(running: &HashMap<String, u32>, lane: &Lane) -> bool {
    match (&lane.limit_key, lane.limit) {
        (Some(key), Some(limit)) => running.get(key).is_none_or(|running| *running < limit),
        (_, _) => true,
    }
}

/// Counts a task among those that run with its limit key, where there is room for it.
fn takes_key(running: &mut HashMap<String, u32>, candidate: &Candidate) -> bool {
    let Some((key, limit)) = &candidate.key else {
        return true;
    };
    let running = running.entry(key.clone()).or_default();
    if *running >= *limit {
        return false;
    }
    *running += 1;
    true
}
