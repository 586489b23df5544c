//! A task waits for a person who does not come.

use serde_json::json;
use tenure_guard::BlockKind;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::StuckInBlocked,
    severity: Severity::Warning,
    condition: "a task has been blocked for a day, given up ones too, and nobody spoke of it since",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let blocked = facts.suspects.blocked.iter();
    blocked
        .map(|one| {
            let evidence = format!(
                "blocked ({}) for {}: {}",
                one.kind.name(),
                facts.ago(one.since),
                one.reason
            );
            let verb = match one.kind {
                BlockKind::GaveUp => "retry",
                BlockKind::NeedsInput | BlockKind::Capability | BlockKind::Operator => "unblock",
            };
            let facts = json!({
                "block_kind": one.kind.name(), "block_reason": one.reason, "since": one.since,
            });
            Matter::new(evidence)
                .task(one.task)
                .facts(facts)
                .mend(format!("tenure {verb} {}", one.task))
        })
        .collect()
}
