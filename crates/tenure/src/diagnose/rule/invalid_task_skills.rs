//! A ready task requires skills that nobody offers, or labels that nobody has.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::tasks;

pub const RULE: Rule = Rule {
    id: RuleId::InvalidTaskSkills,
    severity: Severity::Error,
    condition: "a ready task requires a skill that its profile offers at no living dispatcher (where none lives: not in the configuration), or a label that no living dispatcher has which could do it",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let mut matters = skills(facts);
    matters.extend(labels(facts));
    matters
}

fn skills(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    lanes
        .filter_map(|lane| {
            let missing = facts.lacking(lane)?;
            let able = facts.offered.profiles().find(|profile| {
                let mut skills = lane.skills.iter();
                skills.all(|skill| profile.skills.contains(skill))
            });
            let instead = able.map_or(String::new(), |able| {
                format!("; profile {:?} offers all of them", able.name)
            });
            let is_sure = facts.is_offer_known();
            let doubt = if is_sure {
                ""
            } else {
                "; no dispatcher lives that could say whether it does: start the one that serves this store, or give the profile what it lacks (skills), and judge again"
            };
            let evidence = format!(
                "{} of profile {:?} {} {missing}, which {} does not offer{instead}{doubt}",
                tasks(lane.number),
                lane.profile,
                requires(lane.number),
                facts.offered.by()
            );
            let matter = Matter::new(evidence).task(lane.first).facts(json!({
                "profile": lane.profile, "skills": lane.skills, "tasks": lane.number, "sure": is_sure,
            }));
            Some(if is_sure {
                matter.mend(format!("tenure edit {} --clear-skills", lane.first))
            } else {
                matter
            })
        })
        .collect()
}

fn labels(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    lanes
        .filter_map(|lane| {
            let missing = facts.unlabelled(lane)?;
            let evidence = format!(
                "{} of profile {:?} {} the label {missing}, which no living dispatcher has that could do it: start one with it (labels in [dispatcher])",
                tasks(lane.number),
                lane.profile,
                requires(lane.number),
            );
            let mut matter = Matter::new(evidence).task(lane.first).facts(json!({
                "profile": lane.profile, "requires": lane.requires, "missing": missing,
                "tasks": lane.number,
            }));
            if !lane.requires.is_empty() {
                matter = matter.mend(format!("tenure edit {} --clear-requires", lane.first));
            }
            Some(matter)
        })
        .collect()
}

fn requires(number: u32) -> &'static str {
    if number == 1 { "requires" } else { "require" }
}
