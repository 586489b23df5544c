//! What is in the way of a ready task, in words. What that is, [`crate::hindrance`] decides.

use std::collections::HashSet;

use tenure_store::DispatcherId;
use tenure_store::read::{Serving, Situation};

use super::waits::{held_by, ids, named};
use super::{Code, Reason};
use crate::hindrance::{
    Hindrance, Met, Obstacle, Scene, Verdict, Wanted, labels_lacked, lacked, lacked_by_all, verdict,
};
use crate::last_served::nobody;

/// What keeps it from being taken by anybody, besides pauses; nothing where somebody could take it.
pub fn now(situation: &Situation, stopped: &HashSet<DispatcherId>) -> Vec<Reason> {
    let Verdict { hindrances, .. } = judged(situation, stopped);
    let reasons = hindrances.iter();
    reasons.filter_map(|one| reason(situation, one)).collect()
}

/// The same, without what people keep from starting and what passes by itself: for a task whose time
/// has not come.
pub fn lasting(situation: &Situation, stopped: &HashSet<DispatcherId>) -> Vec<Reason> {
    let lasts = |one: &&Hindrance| match one {
        Hindrance::NoDispatcher => true,
        Hindrance::Each(met) => met.iter().all(|(obstacle, _)| !obstacle.passes()),
        Hindrance::Paused(_) | Hindrance::KeyFull { .. } => false,
    };
    let Verdict { hindrances, .. } = judged(situation, stopped);
    let lasting = hindrances.iter().filter(lasts);
    lasting.filter_map(|one| reason(situation, one)).collect()
}

fn judged<'a>(situation: &'a Situation, stopped: &'a HashSet<DispatcherId>) -> Verdict<'a> {
    let scene = Scene {
        at: situation.at,
        serving: &situation.dispatchers,
        stopped,
        pauses: &situation.pauses,
        running_of_profile: situation.running_of_profile,
        running_of_key: situation.running_of_key,
    };
    verdict(Wanted::explained(situation), scene)
}

fn reason(situation: &Situation, hindrance: &Hindrance) -> Option<Reason> {
    match hindrance {
        // Told with the pause of the task itself.
        Hindrance::Paused(_) => None,
        Hindrance::NoDispatcher => {
            let (words, since) = nobody(situation.last_served.as_ref());
            let reason = Reason::new(Code::NoDispatcher, words, "one is started");
            Some(Reason {
                since,
                ..reason.command("tenure serve")
            })
        }
        Hindrance::KeyFull { key, limit } => {
            let words = format!(
                "{} run with limit key {key:?}, and its limit = {limit}: {}",
                situation.running_of_key,
                named(&ids(&situation.running_with_key))
            );
            let reason = Reason::new(Code::LimitKeyFull, words, "one of them ends");
            Some(held_by(reason, &situation.running_with_key))
        }
        Hindrance::Each(met) => each(situation, met),
    }
}

/// None of them has all the labels.
fn unlabelled(situation: &Situation, met: &[Met]) -> Reason {
    let words = format!(
        "no living dispatcher that can do it has the label {}: {}",
        labels_lacked(met).unwrap_or_default(),
        who(met)
    );
    let until = "a dispatcher with that label is started (labels in [dispatcher]), or the task does without";
    let task = &situation.task;
    let reason = Reason::new(Code::LabelMissing, words, until);
    if task.requires.is_empty() {
        return reason;
    }
    reason.command(format!("tenure edit {} --clear-requires", task.id))
}

/// All of them are of one kind.
fn each(situation: &Situation, met: &[Met]) -> Option<Reason> {
    let task = &situation.task;
    let (nearest, serving) = met.first()?;
    let who = who(met);
    Some(match nearest {
        Obstacle::OtherBatch => Reason::new(
            Code::BatchOnly,
            format!("the only dispatcher is a `tenure run` that serves its own batch: {who}"),
            "one that serves the whole store is started, after that one ends",
        )
        .command("tenure serve"),
        Obstacle::NoProfile => Reason::new(
            Code::ProfileMissing,
            format!(
                "no living dispatcher has profile {:?}; living: {who}",
                task.assignee
            ),
            "the profile is configured and the dispatcher reloaded (SIGHUP), or the task is given to another",
        )
        .command(format!("tenure reassign {} PROFILE", task.id)),
        Obstacle::NoSkills(_) => Reason::new(
            Code::SkillMissing,
            format!(
                "profile {:?} does not offer {} at {who}",
                task.assignee,
                lacked_by_all(&task.skills, &lacked(met))
            ),
            "the profile gets the skill, or the task does without, or another profile gets the task",
        )
        .command(format!("tenure edit {} --clear-skills", task.id)),
        Obstacle::NoLabels(_) => unlabelled(situation, met),
        Obstacle::TooOld => Reason::new(
            Code::BeyondDispatchers,
            format!(
                "a newer tenure added it, and no living dispatcher knows all that it asks ({}): {who}",
                situation.beyond.as_deref().unwrap_or_default()
            ),
            "the newer tenure is installed on a host that has its profile, and serves there",
        ),
        Obstacle::Quiet(since) => Reason::new(
            Code::NoDispatcher,
            format!("the dispatcher gives no sign of life: {who}"),
            "it is found and started again, or another one is started",
        )
        .since(*since)
        .command("tenure serve"),
        Obstacle::Stopped => Reason::new(
            Code::DispatcherStopped,
            format!("the dispatcher's process is stopped (SIGSTOP), so nothing is started: {who}"),
            "the process is let go on",
        )
        .command(format!("kill -CONT {}", serving.dispatcher.process.pid)),
        Obstacle::Drains(since) => Reason::new(
            Code::Draining,
            format!("a drain is under way, so nothing new is taken by {who}"),
            "another dispatcher is started",
        )
        .since(*since)
        .command("tenure serve"),
        Obstacle::HoldsBack { why, since, until } => Reason::new(
            Code::HeldBack,
            format!("profile {:?} is held back by {who}: {why}", task.assignee),
            "the cause is mended; it is tried again by itself",
        )
        .since(*since)
        .until(Some(*until))
        .command("tenure doctor"),
        Obstacle::CapFull(_) => capped(situation, met),
        Obstacle::SlotsFull => Reason {
            // Since the last of them was filled.
            since: met.iter().filter_map(|(_, one)| one.newest).max(),
            ..Reason::new(
                Code::NoSlot,
                format!("every slot is taken: {who}"),
                "a run ends, or `slots` of a dispatcher is raised",
            )
            .command("tenure list --status running")
        },
    })
}

/// As many run as the profile allows, which dispatchers may know differently.
fn capped(situation: &Situation, met: &[Met]) -> Reason {
    let mut caps: Vec<u32> = met
        .iter()
        .filter_map(|(obstacle, _)| {
            if let Obstacle::CapFull(cap) = obstacle {
                Some(*cap)
            } else {
                None
            }
        })
        .collect();
    caps.sort_unstable();
    let cap = match (caps.first(), caps.last()) {
        (Some(least), Some(most)) if least < most => {
            format!("{most} (where it is most; other dispatchers have down to {least})")
        }
        (_, most) => most.copied().unwrap_or_default().to_string(),
    };
    let words = format!(
        "{} of profile {:?} run, and max_running = {cap}: {}",
        situation.running_of_profile,
        situation.task.assignee,
        named(&ids(&situation.running_with_profile))
    );
    let change = "one of them ends, or max_running of the profile is raised";
    let reason = Reason::new(Code::ProfileFull, words, change);
    held_by(reason, &situation.running_with_profile)
}

/// How many dispatchers are named in words.
const NAMED: usize = 5;

fn who(met: &[Met]) -> String {
    let named = met.iter().take(NAMED).map(|(_, serving)| {
        let Serving {
            dispatcher, runs, ..
        } = serving;
        let pid = dispatcher.process.pid;
        let (host, slots) = (&dispatcher.host_name, dispatcher.slots);
        format!("pid {pid} on {host} ({runs} of {slots} slots taken)")
    });
    let mut named: Vec<String> = named.collect();
    if met.len() > NAMED {
        named.push(format!("and {} more", met.len() - NAMED));
    }
    named.join(", ")
}
