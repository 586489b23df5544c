//! A task's worker is killed by signals again and again.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::streak;

pub const RULE: Rule = Rule {
    id: RuleId::RepeatedCrashes,
    severity: Severity::Warning,
    condition: "the newest two runs or more of a task that is not given up crashed",
    look,
};

/// From so many crashes in a row it is no accident any more.
const TWICE: u32 = 2;

fn look(facts: &Facts) -> Vec<Matter> {
    let troubled = facts
        .suspects
        .troubled
        .iter()
        .filter(|one| one.crashes >= TWICE && streak::is_between_runs(one));
    troubled
        .map(|one| {
            let evidence = format!(
                "the newest {} runs crashed; {}",
                one.crashes,
                streak::newest(facts, one)
            );
            streak::matter(
                one,
                evidence,
                json!({ "crashes": one.crashes, "failures": one.streaks.failures }),
            )
        })
        .collect()
}
