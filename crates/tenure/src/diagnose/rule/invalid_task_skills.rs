//! A ready task requires skills that nobody offers.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::tasks;

pub const RULE: Rule = Rule {
    id: RuleId::InvalidTaskSkills,
    severity: Severity::Error,
    condition: "a ready task requires a skill that its profile offers at no living dispatcher (where none lives: not in the configuration)",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    lanes
        .filter_map(|lane| {
            let missing = facts.lacking(lane)?;
            let able = facts.offered.profiles().iter().find(|profile| {
                let mut skills = lane.skills.iter();
                skills.all(|skill| profile.skills.contains(skill))
            });
            let instead = able.map_or(String::new(), |able| {
                format!("; profile {:?} offers all of them", able.name)
            });
            let evidence = format!(
                "{} of profile {:?} {} {missing}, which {} does not offer{instead}",
                tasks(lane.number),
                lane.profile,
                requires(lane.number),
                facts.offered.by()
            );
            let facts = json!({
                "profile": lane.profile, "skills": lane.skills, "tasks": lane.number,
            });
            let mend = format!("tenure edit {} --clear-skills", lane.first);
            Some(
                Matter::new(evidence)
                    .task(lane.first)
                    .facts(facts)
                    .mend(mend),
            )
        })
        .collect()
}

fn requires(number: u32) -> &'static str {
    if number == 1 { "requires" } else { "require" }
}
