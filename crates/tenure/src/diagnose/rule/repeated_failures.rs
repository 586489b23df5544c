//! A task fails again and again.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::streak;

pub const RULE: Rule = Rule {
    id: RuleId::RepeatedFailures,
    severity: Severity::Warning,
    condition: "a task that is not given up failed twice or more in a row, otherwise than by crashing each time",
    look,
};

/// From so many failures in a row it is no accident any more.
const TWICE: u32 = 2;

fn look(facts: &Facts) -> Vec<Matter> {
    let troubled = facts.suspects.troubled.iter().filter(|one| {
        one.streaks.failures >= TWICE && one.crashes < TWICE && streak::is_between_runs(one)
    });
    troubled
        .map(|one| {
            let evidence = format!(
                "{} failures in a row; {}",
                one.streaks.failures,
                streak::newest(facts, one)
            );
            streak::matter(one, evidence, json!({ "failures": one.streaks.failures }))
        })
        .collect()
}
