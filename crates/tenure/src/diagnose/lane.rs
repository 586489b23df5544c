//! What keeps the first task of a lane from starting: the first of the causes that a claim would meet.

use tenure_store::dispatcher::PublishedProfile;
use tenure_store::held::Held;
use tenure_store::read::Pause;
use tenure_store::suspects::{MOST, Waiting};

use super::facts::{Facts, Serving};

/// The cause.
#[derive(Clone, Debug)]
pub enum Holds<'a> {
    /// Nobody has its profile.
    NoProfile,
    /// Nobody's profile of that name offers these skills together.
    NoSkills(Vec<&'a str>),
    /// A person keeps the store or the profile from starting anything.
    Paused(&'a Pause),
    /// No dispatcher lives that would take it.
    NoDispatcher,
    /// As many run with its limit key as it allows.
    KeyFull { key: &'a str, limit: u32 },
    /// As many of its profile run as may.
    CapFull { cap: u32 },
    /// Its dispatcher could not start the profile, and waits.
    Held(&'a Serving, &'a Held),
    /// Its dispatcher takes nothing new.
    Draining(&'a Serving),
    /// Every slot is taken.
    SlotsFull { slots: u32 },
    /// Nothing: this dispatcher should have taken it.
    Nothing(&'a Serving),
}

impl Facts {
    /// What keeps a lane's first task from starting.
    pub fn holds<'a>(&'a self, lane: &'a Waiting) -> Holds<'a> {
        let serving: Vec<&Serving> = self
            .serving
            .iter()
            .filter(|one| one.row.batch.is_none() || one.row.batch == lane.batch)
            .collect();
        let fits = |profile: &&PublishedProfile| {
            let mut skills = lane.skills.iter();
            skills.all(|skill| profile.skills.contains(skill))
        };
        let named: Vec<&PublishedProfile> = if serving.is_empty() {
            named(self.offered.profiles(), &lane.profile).collect()
        } else {
            let of = |one: &'a Serving| named(&one.row.profiles, &lane.profile);
            serving.iter().copied().flat_map(of).collect()
        };
        if named.is_empty() {
            return Holds::NoProfile;
        }
        if !named.iter().any(fits) {
            let offered = |skill: &&String| named.iter().any(|one| one.skills.contains(skill));
            let missing = lane.skills.iter().filter(|skill| !offered(skill));
            return Holds::NoSkills(missing.map(String::as_str).collect());
        }
        if let Some(pause) = self.pause(&lane.profile) {
            return Holds::Paused(pause);
        }
        if serving.is_empty() {
            return Holds::NoDispatcher;
        }
        self.full(lane)
            .unwrap_or_else(|| self.taker(lane, &serving))
    }

    fn pause(&self, profile: &str) -> Option<&Pause> {
        let mut pauses = self.suspects.pauses.iter();
        pauses.find(|pause| pause.holds(profile))
    }

    /// Whether a limit over the whole store is reached.
    fn full<'a>(&'a self, lane: &'a Waiting) -> Option<Holds<'a>> {
        if let (Some(key), Some(limit)) = (&lane.limit_key, lane.limit) {
            let running = self.suspects.running_with.get(key).copied();
            if running.unwrap_or(0) >= limit {
                return Some(Holds::KeyFull { key, limit });
            }
        }
        let running = self.suspects.running_of.get(&lane.profile).copied();
        let caps = self.serving.iter().filter_map(|one| {
            let profile = named(&one.row.profiles, &lane.profile).next()?;
            Some(profile.max_running.unwrap_or(u32::MAX))
        });
        // Where dispatchers know different caps, whoever knows the highest may still take one.
        let cap = caps.max()?;
        (running.unwrap_or(0) >= cap).then_some(Holds::CapFull { cap })
    }

    /// Which dispatcher should have taken it, or what keeps the last of them from that.
    fn taker<'a>(&'a self, lane: &'a Waiting, serving: &[&'a Serving]) -> Holds<'a> {
        let mut held = Holds::NoDispatcher;
        for one in serving {
            let mut of_name = named(&one.row.profiles, &lane.profile);
            if !of_name.any(|profile| lane.skills.iter().all(|s| profile.skills.contains(s))) {
                continue;
            }
            let is_held =
                |held: &&Held| held.profile == lane.profile && held.until > self.suspects.now;
            held = if one.row.drain_at.is_some() {
                Holds::Draining(one)
            } else if let Some(profile) = one.row.held.iter().find(is_held) {
                Holds::Held(one, profile)
            } else if one.runs >= one.row.slots {
                Holds::SlotsFull {
                    slots: one.row.slots,
                }
            } else {
                return Holds::Nothing(one);
            };
        }
        held
    }
}

fn named<'a>(
    profiles: &'a [PublishedProfile],
    name: &str,
) -> impl Iterator<Item = &'a PublishedProfile> {
    profiles.iter().filter(move |profile| profile.name == name)
}

/// So many tasks, in words; a number that was counted up to its bound is said to be that.
pub fn tasks(number: u32) -> String {
    match number {
        1 => "1 task".to_owned(),
        MOST => format!("{MOST} tasks or more"),
        some => format!("{some} tasks"),
    }
}
