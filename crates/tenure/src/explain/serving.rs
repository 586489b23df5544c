//! Who could take a ready task, and what is in the way: of each living dispatcher, then of all
//! together. What is told is what is nearest to a start: where one dispatcher lacks the profile and
//! another has no slot free, it is the slot that is waited for.

use jiff::Timestamp;
use tenure_store::dispatcher::PublishedProfile;
use tenure_store::read::{Serving, Situation};

use super::{Code, Reason};

/// What keeps one dispatcher from taking the task, the farthest from a start first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Obstacle {
    /// It serves another batch only.
    OtherBatch,
    /// It has no such profile.
    NoProfile,
    /// Its profile does not offer these.
    NoSkill(Vec<String>),
    /// It takes nothing new.
    Drains(Timestamp),
    /// It holds the profile back.
    Holds {
        until: Timestamp,
        since: Timestamp,
        why: String,
    },
    /// Its slots are taken.
    NoSlot,
}

impl Obstacle {
    /// Whether time alone takes it away, and runs that end.
    fn passes(&self) -> bool {
        match self {
            Self::OtherBatch | Self::NoProfile | Self::NoSkill(_) => false,
            Self::Drains(_) | Self::Holds { .. } | Self::NoSlot => true,
        }
    }
}

/// What keeps every dispatcher from taking a ready task; nothing where one could.
pub fn now(situation: &Situation) -> Vec<Reason> {
    told(situation, |_| true)
}

/// The same, without what passes by itself: for a task whose time has not come.
pub fn lasting(situation: &Situation) -> Vec<Reason> {
    told(situation, |obstacle| !obstacle.passes())
}

/// How many of its profile may run: the most that a dispatcher which has the profile allows.
pub fn cap(situation: &Situation) -> Option<u32> {
    let mut caps = Vec::new();
    for serving in &situation.dispatchers {
        caps.extend(profile(situation, serving).map(|profile| profile.max_running));
    }
    // Who sets no limit takes more.
    if caps.iter().any(Option::is_none) {
        return None;
    }
    caps.into_iter().flatten().max()
}

fn profile<'a>(situation: &Situation, serving: &'a Serving) -> Option<&'a PublishedProfile> {
    let profiles = &serving.dispatcher.profiles;
    profiles
        .iter()
        .find(|profile| profile.name == situation.task.assignee)
}

fn told(situation: &Situation, is_told: impl Fn(&Obstacle) -> bool) -> Vec<Reason> {
    if situation.dispatchers.is_empty() {
        let words = "no dispatcher serves this store";
        let reason = Reason::new(Code::NoDispatcher, words, "one is started");
        return vec![reason.command("tenure serve")];
    }
    let mut obstacles = Vec::new();
    for serving in &situation.dispatchers {
        match obstacle(situation, serving).filter(&is_told) {
            Some(obstacle) => obstacles.push((obstacle, serving)),
            None => return Vec::new(),
        }
    }
    obstacles.sort_by(|(one, _), (other, _)| other.cmp(one));
    let nearest = obstacles
        .first()
        .map(|(obstacle, _)| std::mem::discriminant(obstacle));
    obstacles.retain(|(obstacle, _)| Some(std::mem::discriminant(obstacle)) == nearest);
    reason(situation, &obstacles).into_iter().collect()
}

fn obstacle(situation: &Situation, serving: &Serving) -> Option<Obstacle> {
    let dispatcher = &serving.dispatcher;
    if dispatcher.batch.is_some() && dispatcher.batch != situation.task.batch_id {
        return Some(Obstacle::OtherBatch);
    }
    let Some(profile) = profile(situation, serving) else {
        return Some(Obstacle::NoProfile);
    };
    let required = situation.task.skills.iter();
    let missing: Vec<String> = required
        .filter(|skill| !profile.skills.contains(skill))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Some(Obstacle::NoSkill(missing));
    }
    if let Some(since) = dispatcher.drain_at {
        return Some(Obstacle::Drains(since));
    }
    let held = dispatcher.held.iter();
    let mut held = held.filter(|held| held.profile == profile.name && held.until > situation.at);
    if let Some(held) = held.next() {
        return Some(Obstacle::Holds {
            until: held.until,
            since: held.since,
            why: held.why.clone(),
        });
    }
    (serving.runs >= u64::from(dispatcher.slots)).then_some(Obstacle::NoSlot)
}

/// All of them are of one kind.
fn reason(situation: &Situation, obstacles: &[(Obstacle, &Serving)]) -> Option<Reason> {
    let task = &situation.task;
    let (nearest, _) = obstacles.first()?;
    let who = who(obstacles);
    Some(match nearest {
        Obstacle::OtherBatch => Reason::new(
            Code::BatchOnly,
            format!("the only dispatcher is a `tenure run` that serves its own batch: {who}"),
            "one that serves the whole store is started, after that one ends",
        )
        .command("tenure serve"),
        Obstacle::NoProfile => Reason::new(
            Code::ProfileMissing,
            format!("no living dispatcher has profile {:?}: {who}", task.assignee),
            "the profile is configured and the dispatcher reloaded (SIGHUP), or the task is given to another",
        )
        .command(format!("tenure reassign {} PROFILE", task.id)),
        Obstacle::NoSkill(missing) => Reason::new(
            Code::SkillMissing,
            format!(
                "profile {:?} does not offer {}: {who}",
                task.assignee,
                missing.join(", ")
            ),
            "the profile gets the skill, or the task does without, or another profile gets the task",
        )
        .command(format!("tenure edit {} --clear-skills", task.id)),
        Obstacle::Drains(since) => Reason::new(
            Code::Draining,
            format!("a drain is under way, so nothing new is taken: {who}"),
            "another dispatcher is started",
        )
        .since(*since)
        .command("tenure serve"),
        Obstacle::Holds { why, since, until } => Reason::new(
            Code::HeldBack,
            format!("profile {:?} is held back: {why}: {who}", task.assignee),
            "the cause is mended; it is tried again by itself",
        )
        .since(*since)
        .until(Some(*until))
        .command("tenure doctor"),
        Obstacle::NoSlot => Reason {
            // Since the last of them was filled.
            since: obstacles.iter().filter_map(|(_, one)| one.newest).max(),
            ..Reason::new(
                Code::NoSlot,
                format!("every slot is taken: {who}"),
                "a run ends, or `slots` of a dispatcher is raised",
            )
            .command("tenure list --status running")
        },
    })
}

/// How many dispatchers are named in words.
const NAMED: usize = 5;

fn who(obstacles: &[(Obstacle, &Serving)]) -> String {
    let named = obstacles.iter().take(NAMED).map(|(_, serving)| {
        let Serving {
            dispatcher, runs, ..
        } = serving;
        let pid = dispatcher.process.pid;
        let (host, slots) = (&dispatcher.host_name, dispatcher.slots);
        format!("pid {pid} on {host} ({runs} of {slots} slots taken)")
    });
    let mut named: Vec<String> = named.collect();
    if obstacles.len() > NAMED {
        named.push(format!("and {} more", obstacles.len() - NAMED));
    }
    named.join(", ")
}
