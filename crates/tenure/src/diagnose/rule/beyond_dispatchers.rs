//! Tasks of a newer program ask for something that no living dispatcher knows.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::tasks;
use crate::hindrance::Obstacle;

pub const RULE: Rule = Rule {
    id: RuleId::BeyondDispatchers,
    severity: Severity::Warning,
    condition: "a newer tenure added a ready task that asks for something which no living dispatcher knows that has its profile",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    let beyond = lanes.filter_map(|lane| Some((lane, lane.beyond.as_ref()?)));
    let waits = beyond.filter(|(lane, _)| {
        let verdict = facts.verdict(lane);
        let is_it = |(obstacle, _): &(Obstacle, _)| *obstacle == Obstacle::TooOld;
        verdict.met().any(|met| met.iter().any(is_it))
    });
    waits
        .map(|(lane, beyond)| {
            let verb = if lane.number == 1 { "waits" } else { "wait" };
            let evidence = format!(
                "{} of profile {:?} {verb} for a dispatcher of a newer version, because those that live do not know all that is asked ({beyond})",
                tasks(lane.number),
                lane.profile,
            );
            let facts = json!({
                "profile": lane.profile, "tasks": lane.number, "since": lane.since, "beyond": beyond,
            });
            Matter::new(evidence).task(lane.first).facts(facts)
        })
        .collect()
}
