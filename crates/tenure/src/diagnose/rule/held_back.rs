//! Tasks wait by design: something is full, paused, cooling down, or could not be started.

use serde_json::json;
use tenure_store::life::TaskStatus;
use tenure_store::read::Pause;
use tenure_store::suspects::{Troubled, Waiting};

use super::{Rule, RuleId};
use crate::caller::quoted;
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::tasks;
use crate::diagnose::streak;
use crate::hindrance::{Hindrance, Met, Obstacle};

pub const RULE: Rule = Rule {
    id: RuleId::HeldBack,
    severity: Severity::Info,
    condition: "ready tasks wait for room under a cap, a limit key or the slots, for a pause or a drain to end, or for a profile that could not be started; a task cools down after an end",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    let lanes = lanes.filter_map(|lane| lane_held(facts, lane));
    let paused = facts.suspects.paused.iter().map(|one| {
        let evidence = format!(
            "the task, which is {}, is paused for {} and is not started",
            one.status,
            facts.ago(one.since)
        );
        Matter::new(evidence)
            .task(one.task)
            .facts(json!({ "why": "paused", "what": "task", "since": one.since }))
            .mend(format!("tenure resume {}", one.task))
    });
    let cooling = facts.suspects.troubled.iter();
    let cooling = cooling.filter_map(|one| cools_down(facts, one));
    lanes.chain(paused).chain(cooling).collect()
}

fn lane_held(facts: &Facts, lane: &Waiting) -> Option<Matter> {
    let verdict = facts.verdict(lane);
    let (why, words, mend) = match verdict.hindrances.first()? {
        Hindrance::NoDispatcher => return None,
        Hindrance::Paused(pause) => ("paused", paused(facts, pause), Some(resume(pause))),
        Hindrance::KeyFull { key, limit } => (
            "limit_key_full",
            format!("{limit} run with limit key {key:?}, as many as may"),
            None,
        ),
        Hindrance::Each(met) => {
            let (why, words) = by_design(facts, met)?;
            (why, words, None)
        }
    };
    let evidence = format!(
        "{} of profile {:?} {} ready for {}: {words}",
        tasks(lane.number),
        lane.profile,
        if lane.number == 1 { "waits" } else { "wait" },
        facts.ago(lane.since)
    );
    let facts = json!({
        "why": why, "profile": lane.profile, "limit_key": lane.limit_key, "tasks": lane.number,
        "since": lane.since,
    });
    let matter = Matter::new(evidence).task(lane.first).facts(facts);
    Some(match mend {
        Some(mend) => matter.mend(mend),
        None => matter,
    })
}

fn paused(facts: &Facts, pause: &Pause) -> String {
    let what = match &pause.profile {
        Some(profile) => format!("profile {profile:?}"),
        None => "the store".to_owned(),
    };
    let reason = pause.reason.as_deref();
    let reason = reason.map_or(String::new(), |why| format!(": {why}"));
    let ago = facts.ago(pause.since);
    format!("{what} is paused for {ago} by {}{reason}", pause.by)
}

fn resume(pause: &Pause) -> String {
    match &pause.profile {
        Some(profile) => format!("tenure resume --profile {}", quoted(profile)),
        None => "tenure resume".to_owned(),
    }
}

/// What dispatchers meet that passes by itself; what lasts is for other rules to tell.
fn by_design(facts: &Facts, met: &[Met]) -> Option<(&'static str, String)> {
    let (obstacle, serving) = met.first()?;
    let dispatcher = serving.dispatcher.id;
    Some(match obstacle {
        Obstacle::OtherBatch
        | Obstacle::NoProfile
        | Obstacle::NoSkills(_)
        | Obstacle::NoLabels(_)
        | Obstacle::TooOld
        | Obstacle::Quiet(_)
        | Obstacle::Stopped => return None,
        Obstacle::Drains(_) => (
            "draining",
            format!("dispatcher {dispatcher} takes nothing new"),
        ),
        Obstacle::HoldsBack { until, since, why } => (
            "cannot_spawn",
            format!(
                "dispatcher {dispatcher} cannot start the profile for {} and tries again in {}: {why}",
                facts.ago(*since),
                facts.until(*until),
            ),
        ),
        Obstacle::CapFull(cap) => (
            "capped",
            format!("{cap} of the profile run, as many as may over the whole store"),
        ),
        Obstacle::SlotsFull => {
            let slots = met.iter().map(|(_, one)| u64::from(one.dispatcher.slots));
            let slots: u64 = slots.sum();
            ("slots_full", format!("all {slots} slots are taken"))
        }
    })
}

/// After an end that was not good the next attempt waits for its time.
fn cools_down(facts: &Facts, one: &Troubled) -> Option<Matter> {
    let until = one.not_before.filter(|time| *time > facts.suspects.now)?;
    if one.status != TaskStatus::Scheduled {
        return None;
    }
    let evidence = format!(
        "the task cools down for {} more; {}",
        facts.until(until),
        streak::newest(facts, one)
    );
    let facts = json!({ "why": "cooling_down", "until": until });
    Some(Matter::new(evidence).task(one.task).facts(facts))
}
