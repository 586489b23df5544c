//! What is in the way of a task that is ready: of the dispatchers that live, and of all of them
//! together. The one place where that is decided, purely; `explain` tells it of one task, `diagnose`
//! of the first of each lane.
//!
//! Of the dispatchers is told what is nearest to a start: where one lacks the profile and another
//! has no slot free, it is the slot that is waited for.

use std::collections::HashSet;

use jiff::Timestamp;
use tenure_store::dispatcher::{Dispatcher, PublishedProfile};
use tenure_store::held::Held;
use tenure_store::read::{Pause, Serving, Situation};
use tenure_store::suspects::Waiting;
use tenure_store::{BatchId, DispatcherId};

/// A ready task, as far as it matters to whoever could take it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its profile.
    pub profile: &'a str,
    /// What the profile must offer.
    pub skills: &'a [String],
    /// Which labels the dispatcher must have, besides those that the profile requires.
    pub labels: &'a [String],
    /// Its batch, which a dispatcher of its own may serve.
    pub batch: Option<BatchId>,
    /// By what it is counted how many may run at once, and how many may.
    pub limit: Option<(&'a str, u32)>,
    /// Whether it asks for something that only programs of a later schema version know.
    pub is_beyond_us: bool,
}

impl<'a> Wanted<'a> {
    /// The task that is explained.
    pub fn explained(situation: &'a Situation) -> Self {
        let task = &situation.task;
        Self {
            profile: &task.assignee,
            skills: &task.skills,
            labels: &task.requires,
            batch: task.batch_id,
            limit: task.limit_key.as_deref().zip(task.limit),
            is_beyond_us: situation.beyond.is_some(),
        }
    }

    /// The first task of a lane.
    pub fn first_of(lane: &'a Waiting) -> Self {
        Self {
            profile: &lane.profile,
            skills: &lane.skills,
            labels: &lane.requires,
            batch: lane.batch,
            limit: lane.limit_key.as_deref().zip(lane.limit),
            is_beyond_us: lane.beyond.is_some(),
        }
    }
}

/// All that may be in its way, of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// That moment, by the store's clock.
    pub at: Timestamp,
    /// The dispatchers that live.
    pub serving: &'a [Serving],
    /// Those of them whose process is stopped, as far as that can be seen from here.
    pub stopped: &'a HashSet<DispatcherId>,
    /// What people keep from starting.
    pub pauses: &'a [Pause],
    /// How many of its profile run, over the whole store.
    pub running_of_profile: u64,
    /// How many run with its limit key, over the whole store.
    pub running_of_key: u64,
}

/// What keeps one dispatcher from taking a task, the farthest from a start first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It serves another batch only.
    OtherBatch,
    /// It has no such profile.
    NoProfile,
    /// Its profile does not offer these.
    NoSkills(Vec<String>),
    /// It lacks these labels.
    NoLabels(Vec<String>),
    /// It does not know all that the task asks.
    TooOld,
    /// It has given no sign of life since then.
    Quiet(Timestamp),
    /// Its process is stopped.
    Stopped,
    /// It takes nothing new since then.
    Drains(Timestamp),
    /// It could not start the profile, and waits.
    HoldsBack {
        until: Timestamp,
        since: Timestamp,
        why: String,
    },
    /// As many of the profile run as it allows, over the whole store.
    CapFull(u32),
    /// Its slots are taken.
    SlotsFull,
}

impl Obstacle {
    /// Whether time alone takes it away, and runs that end.
    pub fn passes(&self) -> bool {
        match self {
            Self::OtherBatch
            | Self::NoProfile
            | Self::NoSkills(_)
            | Self::NoLabels(_)
            | Self::TooOld
            | Self::Quiet(_)
            | Self::Stopped => false,
            Self::Drains(_) | Self::HoldsBack { .. } | Self::CapFull(_) | Self::SlotsFull => true,
        }
    }

    /// Whether it is only room that lacks, of which each kind is told.
    fn is_room(&self) -> bool {
        matches!(self, Self::CapFull(_) | Self::SlotsFull)
    }
}

/// An obstacle, and whose.
pub type Met<'a> = (Obstacle, &'a Serving);

/// What keeps a task from being taken by anybody.
#[derive(Clone, Debug)]
pub enum Hindrance<'a> {
    /// A person keeps the store or the profile from starting anything.
    Paused(&'a Pause),
    /// No dispatcher lives.
    NoDispatcher,
    /// As many run with its limit key as it allows.
    KeyFull { key: &'a str, limit: u32 },
    /// Those dispatchers that are nearest to taking it meet this, all of one kind; never empty.
    Each(Vec<Met<'a>>),
}

/// What follows.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    /// What is in the way, what would have to change first before the rest.
    pub hindrances: Vec<Hindrance<'a>>,
    /// Dispatchers that meet no obstacle of their own.
    pub takers: Vec<&'a Serving>,
}

impl<'a> Verdict<'a> {
    /// Who should take it, where nothing is in the way.
    pub fn free(&self) -> &[&'a Serving] {
        if self.hindrances.is_empty() {
            &self.takers
        } else {
            &[]
        }
    }

    /// What dispatchers meet, a kind after the other.
    pub fn met(&self) -> impl Iterator<Item = &[Met<'a>]> {
        self.hindrances.iter().filter_map(|one| match one {
            Hindrance::Each(met) => Some(met.as_slice()),
            Hindrance::Paused(_) | Hindrance::NoDispatcher | Hindrance::KeyFull { .. } => None,
        })
    }
}

/// Decides it.
pub fn verdict<'a>(task: Wanted<'a>, scene: Scene<'a>) -> Verdict<'a> {
    let holding = scene.pauses.iter().filter(|one| one.holds(task.profile));
    let mut hindrances: Vec<Hindrance> = holding.map(Hindrance::Paused).collect();
    if scene.serving.is_empty() {
        hindrances.push(Hindrance::NoDispatcher);
    }
    let met = scene.serving.iter();
    let met: Vec<_> = met
        .map(|serving| (obstacles(task, scene, serving), serving))
        .collect();
    let takers = met.iter().filter(|(obstacles, _)| obstacles.is_empty());
    let takers: Vec<&Serving> = takers.map(|(_, serving)| *serving).collect();
    let (lasting, room) = if takers.is_empty() {
        nearest(met)
    } else {
        (None, Vec::new())
    };
    hindrances.extend(lasting);
    if let Some((key, limit)) = task.limit
        && scene.running_of_key >= u64::from(limit)
    {
        hindrances.push(Hindrance::KeyFull { key, limit });
    }
    hindrances.extend(room);
    Verdict { hindrances, takers }
}

/// What keeps one dispatcher from taking it. What it lacks besides room is told alone.
fn obstacles(task: Wanted, scene: Scene, serving: &Serving) -> Vec<Obstacle> {
    let dispatcher = &serving.dispatcher;
    if dispatcher.batch.is_some() && dispatcher.batch != task.batch {
        return vec![Obstacle::OtherBatch];
    }
    let Some(profile) = profile(dispatcher, task.profile) else {
        return vec![Obstacle::NoProfile];
    };
    let lacking = lacking(task.skills, profile);
    if !lacking.is_empty() {
        return vec![Obstacle::NoSkills(lacking)];
    }
    let unlabelled = unlabelled(task.labels, profile, dispatcher);
    if !unlabelled.is_empty() {
        return vec![Obstacle::NoLabels(unlabelled)];
    }
    // What one of a later version knows is not known here.
    if task.is_beyond_us && dispatcher.knows <= tenure_store::known_schema() {
        return vec![Obstacle::TooOld];
    }
    if scene.stopped.contains(&dispatcher.id) {
        return vec![Obstacle::Stopped];
    }
    if let Some(since) = serving.quiet_since {
        return vec![Obstacle::Quiet(since)];
    }
    if let Some(since) = dispatcher.drain_at {
        return vec![Obstacle::Drains(since)];
    }
    let is_held = |held: &&Held| held.profile == profile.name && held.until > scene.at;
    if let Some(held) = dispatcher.held.iter().find(is_held) {
        return vec![Obstacle::HoldsBack {
            until: held.until,
            since: held.since,
            why: held.why.clone(),
        }];
    }
    let cap = profile.max_running;
    let cap = cap.filter(|cap| scene.running_of_profile >= u64::from(*cap));
    let is_full = serving.runs >= u64::from(dispatcher.slots);
    let slots = is_full.then_some(Obstacle::SlotsFull);
    cap.map(Obstacle::CapFull)
        .into_iter()
        .chain(slots)
        .collect()
}

fn profile<'a>(dispatcher: &'a Dispatcher, name: &str) -> Option<&'a PublishedProfile> {
    let mut profiles = dispatcher.profiles.iter();
    profiles.find(|profile| profile.name == name)
}

/// Of what dispatchers meet, that which is nearest to a start: what lasts, or all the room that lacks.
fn nearest(met: Vec<(Vec<Obstacle>, &Serving)>) -> (Option<Hindrance<'_>>, Vec<Hindrance<'_>>) {
    let mut met: Vec<Met> = met
        .into_iter()
        .flat_map(|(obstacles, serving)| obstacles.into_iter().map(move |one| (one, serving)))
        .collect();
    // The nearest first; among those of a kind the dispatchers stand as they were given.
    met.sort_by(|(one, _), (other, _)| other.cmp(one));
    let mut kinds: Vec<Vec<Met>> = Vec::new();
    for one in met {
        let kind = std::mem::discriminant(&one.0);
        match kinds.last_mut() {
            Some(last) if std::mem::discriminant(&last[0].0) == kind => last.push(one),
            Some(_) | None => kinds.push(vec![one]),
        }
    }
    let is_room = |kind: &Vec<Met>| kind.iter().all(|(obstacle, _)| obstacle.is_room());
    let (mut room, lasting): (Vec<_>, Vec<_>) = kinds.into_iter().partition(is_room);
    // A cap is told before the slots: it is what stays when a slot is free.
    room.reverse();
    let lasting = room
        .is_empty()
        .then(|| lasting.into_iter().next())
        .flatten();
    let room = room.into_iter().map(Hindrance::Each).collect();
    (lasting.map(Hindrance::Each), room)
}

/// What a profile does not offer of what is required.
pub fn lacking(required: &[String], profile: &PublishedProfile) -> Vec<String> {
    let lacks = |skill: &&String| !profile.skills.contains(skill);
    required.iter().filter(lacks).cloned().collect()
}

/// The labels that a task or its profile requires and a dispatcher has not.
fn unlabelled(required: &[String], profile: &PublishedProfile, at: &Dispatcher) -> Vec<String> {
    let required = required.iter().chain(&profile.requires);
    let mut lacked: Vec<String> = required
        .filter(|label| !at.labels.contains(label))
        .cloned()
        .collect();
    lacked.sort_unstable();
    lacked.dedup();
    lacked
}

/// Of what several lack, that which all of them lack; where each lacks something else, what none
/// offers together.
pub fn lacked_by_all(required: &[String], lacked: &[&[String]]) -> String {
    let by_all = |skill: &&String| lacked.iter().all(|one| one.contains(skill));
    let missing: Vec<&str> = required.iter().filter(by_all).map(String::as_str).collect();
    if missing.is_empty() {
        required.join(" and ")
    } else {
        missing.join(", ")
    }
}

/// The skills that dispatchers lack which meet that; of others nothing.
pub fn lacked<'a>(met: &'a [Met]) -> Vec<&'a [String]> {
    let skills = met.iter().filter_map(|(obstacle, _)| {
        if let Obstacle::NoSkills(lacked) = obstacle {
            Some(lacked.as_slice())
        } else {
            None
        }
    });
    skills.collect()
}

/// The labels that all dispatchers lack which meet that, in words; where each lacks another one, all
/// that they lack together. Nothing where they meet something else.
pub fn labels_lacked(met: &[Met]) -> Option<String> {
    let labels = met.iter().filter_map(|(obstacle, _)| {
        if let Obstacle::NoLabels(lacked) = obstacle {
            Some(lacked.as_slice())
        } else {
            None
        }
    });
    let lacked: Vec<&[String]> = labels.collect();
    let mut all = lacked.concat();
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then(|| lacked_by_all(&all, &lacked))
}
