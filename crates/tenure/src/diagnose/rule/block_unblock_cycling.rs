//! A worker blocks its task again whenever somebody lets it go on.

use serde_json::json;
use tenure_store::life::TaskStatus;
use tenure_store::suspects::Troubled;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::streak;

pub const RULE: Rule = Rule {
    id: RuleId::BlockUnblockCycling,
    severity: Severity::Warning,
    condition: "a task's worker blocked it twice or more since it last came to an end, otherwise than to wait for another task",
    look,
};

/// From so many blocks on, letting it go on did not help.
const TWICE: u32 = 2;

fn look(facts: &Facts) -> Vec<Matter> {
    let troubled = facts.suspects.troubled.iter();
    // Who waits for another task goes on when that is done, and is let go on by nobody.
    let blocks = |one: &Troubled| one.streaks.blocks.saturating_sub(one.waits);
    let cycling = troubled.filter(|one| blocks(one) >= TWICE && one.status != TaskStatus::Running);
    cycling
        .map(|one| {
            let evidence = format!(
                "its worker blocked it {} times, the last time: {}",
                blocks(one),
                streak::newest(facts, one)
            );
            streak::matter(
                one,
                evidence,
                json!({ "blocks": blocks(one), "waits": one.waits }),
            )
        })
        .collect()
}
