//! A process works for a run that is closed, or that the store does not know.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::OrphanWorker,
    severity: Severity::Error,
    condition: "a living process of this host carries a run of this store in its environment that is closed or unknown",
    look,
};

/// So many are named; more would be no more telling.
const NAMED: usize = 10;

fn look(facts: &Facts) -> Vec<Matter> {
    let left = facts.left.iter();
    left.map(|left| {
        let named: Vec<String> = left.pids.iter().take(NAMED).map(i32::to_string).collect();
        let more = left.pids.len().saturating_sub(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let run = left.run;
        let state = match left.task {
            Some(_) => "is closed: it may still act on what another run works on",
            None => "the store does not know: the store may be an older copy",
        };
        let evidence = format!(
            "living processes ({}{more}) carry run {run}, which {state}",
            named.join(", ")
        );
        let matter = Matter::new(evidence)
            .run(run)
            .facts(json!({ "pids": left.pids }))
            .mend(format!("tenure settle --run {run}"));
        match left.task {
            Some(task) => matter.task(task),
            None => matter,
        }
    })
    .collect()
}
