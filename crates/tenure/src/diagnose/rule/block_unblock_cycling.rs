//! A worker blocks its task again whenever somebody lets it go on.

use serde_json::json;
use tenure_store::life::TaskStatus;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::streak;

pub const RULE: Rule = Rule {
    id: RuleId::BlockUnblockCycling,
    severity: Severity::Warning,
    condition: "a task's worker blocked it twice or more since it last came to an end",
    look,
};

/// From so many blocks on, letting it go on did not help.
const TWICE: u32 = 2;

fn look(facts: &Facts) -> Vec<Matter> {
    let troubled = facts.suspects.troubled.iter();
    let cycling =
        troubled.filter(|one| one.streaks.blocks >= TWICE && one.status != TaskStatus::Running);
    cycling
        .map(|one| {
            let evidence = format!(
                "its worker blocked it {} times, the last time: {}",
                one.streaks.blocks,
                streak::newest(facts, one)
            );
            streak::matter(one, evidence, json!({ "blocks": one.streaks.blocks }))
        })
        .collect()
}
