//! A task is held by a run that nobody stands over any more.

use serde_json::json;
use tenure_dispatcher::examine::Hands;
use tenure_guard::{RunId, TaskId};

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::StaleRunningClaim,
    severity: Severity::Error,
    condition: "an open run whose dispatcher and warden are proved dead, and no dispatcher is left on their host to close it; or a task held by a run that is closed",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let dead = facts.runs.iter().filter(|one| {
        // A dispatcher that has just come takes up the runs of dead hands by itself.
        one.hands == Hands::Dead && (one.run.is_lapsed || !facts.is_served_here())
    });
    let dead = dead.map(|one| {
        let tenure = &one.run.tenure;
        let evidence = match &one.run.warden {
            None => format!(
                "run {} was claimed by dispatcher {}, which died before it let the command go",
                tenure.run, one.run.dispatcher
            ),
            Some(warden) => format!(
                "dispatcher {} and the warden of run {} (pid {}) are dead, and the run is still open",
                one.run.dispatcher, tenure.run, warden.process.pid
            ),
        };
        stale(tenure.task, tenure.run, evidence, json!({ "closed": false }))
    });
    let residue = facts.suspects.residue.iter().map(|(task, run)| {
        let evidence = format!("the task is held by run {run}, which is closed or not its own");
        stale(*task, *run, evidence, json!({ "closed": true }))
    });
    dead.chain(residue).collect()
}

fn stale(task: TaskId, run: RunId, evidence: String, facts: serde_json::Value) -> Matter {
    let mend = format!("tenure edit {task} --clear-claim");
    Matter::new(evidence)
        .task(task)
        .run(run)
        .facts(facts)
        .mend(mend)
}
