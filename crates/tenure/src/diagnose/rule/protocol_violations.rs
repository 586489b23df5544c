//! A worker that should report ends without a report.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::streak;

pub const RULE: Rule = Rule {
    id: RuleId::ProtocolViolations,
    severity: Severity::Warning,
    condition: "the newest run that counted of a task with protocol `report` exited 0 without a report",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let troubled = facts
        .suspects
        .troubled
        .iter()
        .filter(|one| one.streaks.violations > 0 && streak::is_between_runs(one));
    troubled
        .map(|one| {
            let evidence = format!(
                "{} runs in a row exited 0 without a report; {}",
                one.streaks.violations,
                streak::newest(facts, one)
            );
            streak::matter(
                one,
                evidence,
                json!({ "violations": one.streaks.violations }),
            )
        })
        .collect()
}
