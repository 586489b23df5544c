//! The guard in a worker finds its own environment spoilt, and stands down each time.

use serde_json::json;
use tenure_store::life::TaskStatus;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::streak;

pub const RULE: Rule = Rule {
    id: RuleId::WorkerEnvMalformed,
    severity: Severity::Error,
    condition: "the newest run of a task stood down because a variable of its environment was missing or malformed",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let troubled = facts.suspects.troubled.iter();
    troubled
        .filter(|one| one.status != TaskStatus::Running)
        .filter_map(|one| {
            let newest = one.newest.as_ref()?;
            let reason = newest.stood_down.as_ref()?;
            let variable = reason.variable()?;
            let evidence = format!(
                "run {} stood down: {reason}; something between its warden and its command changes {variable}: look at the command and env of profile {:?}",
                newest.run, one.profile
            );
            let facts = json!({ "reason": reason.to_string(), "variable": variable });
            Some(streak::matter(one, evidence, facts))
        })
        .collect()
}
