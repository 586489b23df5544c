//! Which tasks a claim takes: those with the best places among all that a profile with room, a lane
//! that it can serve and a limit key with room allow.
//!
//! First it looks and plans, and holds nothing. What caps count of what it planned is then locked and
//! counted anew, and planned anew; only then are so many rows held as it takes. Whoever finds rows held
//! takes the next ones; where too few are left it says so, and the dispatcher looks again in a moment.
//!
//! **Invariant:** nobody waits in a circle. A transaction waits first for rows, then for the locks of what
//! caps count, one for each, all at once and in one order, and at last for its turn to write events; a
//! claim is the last of its transaction, and waits for no row once it has those locks. Only where it looks
//! once more, past tasks that it does not understand, it may want others of them; a circle that two such
//! claims made would be the server's to break.

use std::collections::BTreeSet;

use serde::Serialize;
use sqlx::FromRow;
use tenure_guard::TaskId;

use super::plan::{Counted, Planned, Running, Waiting, plan};
use super::{Candidate, Offer, Wanted};
use crate::asks::Asks;
use crate::error::Error;
use crate::lane::Lane;
use crate::moved::small;
use crate::read::pauses;
use crate::sql;
use crate::transaction::Transaction;
use crate::value::values;

/// So many tasks that are not understood are looked past, in one claim; newer programs put what older ones
/// do not know into lanes of its own, of which nothing is read.
const LEFT_ALONE: usize = 1024;

/// What a claim takes.
#[derive(Default)]
pub(super) struct Chosen<'a> {
    /// In the order in which they shall start, each with the offer it is for.
    pub(super) tasks: Vec<(&'a Offer, Candidate)>,
    /// Whether there seemed to be more, which somebody else was just taking.
    pub(super) contended: bool,
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
    place: i64,
}

impl CandidateRow {
    fn read(self) -> Result<Candidate, Error> {
        Ok(Candidate {
            task: TaskId(self.id),
            asks: Asks::read(self.command.as_deref(), &self.env, &self.limits)?,
            title: self.title,
            body: self.body,
            assignee: self.assignee,
            cwd: self.cwd.into(),
            attempts: small(self.attempts)?,
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

/// A place in the lane that was asked for at this position.
#[derive(FromRow)]
struct PlaceRow {
    lane: i64,
    id: i64,
    place: i64,
}

/// A lane that is looked into.
#[derive(Serialize)]
struct Asked<'a> {
    profile: &'a str,
    lane: &'a str,
}

impl Wanted {
    /// The tasks to take; their rows are held.
    pub(super) async fn choose(&self, tx: &mut Transaction) -> Result<Chosen<'_>, Error> {
        if self.room == 0 {
            return Ok(Chosen::default());
        }
        let mut left_alone = Vec::new();
        loop {
            let known = left_alone.len();
            let chosen = self.choose_past(tx, &mut left_alone).await?;
            if left_alone.len() == known || known >= LEFT_ALONE {
                return Ok(chosen);
            }
        }
    }

    /// The tasks to take, past some that are not understood; what more of those was met is added to them.
    async fn choose_past(
        &self,
        tx: &mut Transaction,
        left_alone: &mut Vec<i64>,
    ) -> Result<Chosen<'_>, Error> {
        let (mut waiting, running) = self.look(tx).await?;
        self.find_places(tx, &mut waiting, left_alone).await?;
        let mut given = plan(&waiting, running, self.room);
        let seen = count(&given);
        let counted = counted(&waiting, &given);
        if tx.is_shared() && !counted.is_empty() {
            let running = alone(tx, &counted).await?;
            given = plan(&waiting, running, self.room);
        }
        let known = left_alone.len();
        let tasks = self.hold(tx, &waiting, given, left_alone).await?;
        let found = tasks.len() + left_alone.len() - known;
        Ok(Chosen {
            contended: found < seen,
            tasks,
        })
    }

    /// Where something waits that may start, as far as can be seen, and how many run of what has a cap.
    async fn look(&self, tx: &mut Transaction) -> Result<(Vec<Waiting<'_>>, Running), Error> {
        let pauses = pauses(tx).await?;
        let is_paused = |offer: &&Offer| pauses.iter().any(|pause| pause.holds(&offer.profile));
        let mut waiting = Vec::new();
        let mut running = Running::new();
        for offer in self.offers.iter().filter(|offer| !is_paused(offer)) {
            if let Some(most) = offer.max_running {
                let number = running_of(tx, &offer.profile).await?;
                if number >= most {
                    continue;
                }
                running.insert(Counted::Profile(offer.profile.clone()), number);
            }
            waiting.extend(self.lanes(tx, offer).await?);
        }
        let keys = waiting
            .iter()
            .filter_map(|waiting| waiting.lane.limit_key.as_ref());
        let keys: BTreeSet<Counted> = keys.cloned().map(Counted::Key).collect();
        count_keys(tx, &mut running, keys.iter()).await?;
        let is_full = |(counted, most): &(Counted, u32)| running.get(counted) >= Some(most);
        waiting.retain(|waiting| !waiting.caps().iter().any(is_full));
        Ok((waiting, running))
    }

    /// The lanes in which something waits that this profile can do. It costs the number of lanes,
    /// however many tasks wait in them.
    async fn lanes<'a>(
        &self,
        tx: &mut Transaction,
        offer: &'a Offer,
    ) -> Result<Vec<Waiting<'a>>, Error> {
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
                lanes.push(Waiting {
                    offer,
                    lane,
                    text: row.lane,
                    places: Vec::new(),
                });
            }
        }
        Ok(lanes)
    }

    /// The best places of each lane.
    async fn find_places(
        &self,
        tx: &mut Transaction,
        waiting: &mut [Waiting<'_>],
        left_alone: &[i64],
    ) -> Result<(), Error> {
        if waiting.is_empty() {
            return Ok(());
        }
        let lanes = waiting.iter().map(|waiting| Asked {
            profile: &waiting.offer.profile,
            lane: &waiting.text,
        });
        let lanes: Vec<Asked<'_>> = lanes.collect();
        let mut asked = values![
            serde_json::to_string(&lanes)?,
            self.room,
            serde_json::to_string(left_alone)?
        ];
        let best = if let Some(batch) = self.batch {
            asked.extend(values![batch]);
            &sql::PLACES_OF_BATCH
        } else {
            &sql::PLACES
        };
        let rows: Vec<PlaceRow> = tx.fetch(best, asked).await?;
        for row in rows {
            let lane = usize::try_from(row.lane).ok();
            if let Some(lane) = lane.and_then(|index| waiting.get_mut(index)) {
                lane.places.push((row.place, row.id));
            }
        }
        Ok(())
    }

    /// Holds as many rows of each lane as it gives. Those that are not understood here are looked past, so
    /// that others do not wait behind them.
    async fn hold<'a>(
        &self,
        tx: &mut Transaction,
        waiting: &[Waiting<'a>],
        given: Vec<Vec<i64>>,
        left_alone: &mut Vec<i64>,
    ) -> Result<Vec<(&'a Offer, Candidate)>, Error> {
        let giving = waiting
            .iter()
            .zip(given)
            .filter(|(_, tasks)| !tasks.is_empty());
        let planned = giving.map(|(waiting, tasks)| Planned {
            profile: &waiting.offer.profile,
            lane: &waiting.text,
            tasks,
        });
        let planned: Vec<Planned<'_>> = planned.collect();
        if planned.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked = values![
            serde_json::to_string(&planned)?,
            serde_json::to_string(left_alone)?
        ];
        let best = if let Some(batch) = self.batch {
            asked.extend(values![batch]);
            &sql::CANDIDATES_OF_BATCH
        } else {
            &sql::CANDIDATES
        };
        let mut rows: Vec<CandidateRow> = tx.fetch(best, asked).await?;
        rows.sort_by_key(|row| (row.place, row.id));
        let of = |profile: &str| {
            waiting
                .iter()
                .map(|one| one.offer)
                .find(|one| one.profile == profile)
        };
        let mut tasks = Vec::with_capacity(rows.len());
        for row in rows {
            let id = row.id;
            match row.read() {
                Ok(candidate) => {
                    let offer = of(&candidate.assignee);
                    tasks.extend(offer.map(|offer| (offer, candidate)));
                }
                Err(error) => {
                    tracing::debug!(task.id = id, error = %error, "left alone: not understood");
                    left_alone.push(id);
                }
            }
        }
        Ok(tasks)
    }
}

/// What caps count of the lanes that give something.
fn counted(waiting: &[Waiting<'_>], given: &[Vec<i64>]) -> BTreeSet<Counted> {
    let giving = waiting
        .iter()
        .zip(given)
        .filter(|(_, tasks)| !tasks.is_empty());
    let caps = giving.flat_map(|(waiting, _)| waiting.caps());
    caps.map(|(counted, _)| counted).collect()
}

/// Waits until nobody else counts these, and counts them: nobody else will before this transaction is
/// over.
async fn alone(tx: &mut Transaction, counted: &BTreeSet<Counted>) -> Result<Running, Error> {
    let locks: Vec<String> = counted.iter().map(Counted::lock).collect();
    tx.number(&sql::LOCK_COUNTS, values![serde_json::to_string(&locks)?])
        .await?;
    let mut running = Running::new();
    for counted in counted {
        if let Counted::Profile(profile) = counted {
            running.insert(counted.clone(), running_of(tx, profile).await?);
        }
    }
    count_keys(tx, &mut running, counted.iter()).await?;
    Ok(running)
}

async fn running_of(tx: &mut Transaction, profile: &str) -> Result<u32, Error> {
    small(
        tx.number(&sql::RUNNING_OF_PROFILE, values![profile])
            .await?,
    )
}

/// Counts what runs with those of these that are limit keys, where there are any.
async fn count_keys(
    tx: &mut Transaction,
    running: &mut Running,
    counted: impl Iterator<Item = &Counted>,
) -> Result<(), Error> {
    let keys = counted.filter(|counted| matches!(counted, Counted::Key(_)));
    running.extend(keys.map(|key| (key.clone(), 0)));
    if !running
        .keys()
        .any(|counted| matches!(counted, Counted::Key(_)))
    {
        return Ok(());
    }
    let rows: Vec<KeyRow> = tx.fetch(&sql::RUNNING_BY_KEY, Vec::new()).await?;
    for row in rows {
        if let Some(number) = running.get_mut(&Counted::Key(row.limit_key)) {
            *number = small(row.number)?;
        }
    }
    Ok(())
}

/// How many tasks these are.
fn count(given: &[Vec<i64>]) -> usize {
    given.iter().map(Vec::len).sum()
}
