//! A task waits for a parent that cannot come by itself any more.

use serde_json::json;
use tenure_store::life::TaskStatus;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::WaitsForEndedParent,
    severity: Severity::Warning,
    condition: "a task waits for the success of a parent that was cancelled or given up",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let deserted = facts.suspects.deserted.iter();
    deserted
        .map(|one| {
            let state = match one.parent_status {
                TaskStatus::Blocked => "given up",
                TaskStatus::Todo
                | TaskStatus::Scheduled
                | TaskStatus::Ready
                | TaskStatus::Running
                | TaskStatus::Done
                | TaskStatus::Cancelled => one.parent_status.name(),
            };
            let parent = one.parent;
            let retry = format!("tenure retry {parent}");
            let promote = format!("tenure promote {} --force", one.task);
            // What lets it go without this parent lets it go without the others too.
            let (and, mend) = match one.others {
                0 => (
                    format!("`{}` brings that back", facts.caller.command(&retry)),
                    promote,
                ),
                others => (
                    format!("it waits for {others} more, which `promote --force` would waive too"),
                    retry,
                ),
            };
            let evidence = format!(
                "it waits for task {parent} ({}), which is {state}: {and}",
                one.parent_title
            );
            Matter::new(evidence)
                .task(one.task)
                .facts(json!({
                    "parent": parent, "parent_status": one.parent_status, "others": one.others,
                }))
                .mend(mend)
        })
        .collect()
}
