//! Nobody saw all of a run end: something of it may live on, unknown to anybody.

use serde_json::json;
use tenure_store::suspects::Unverified;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::TreeUnverified,
    severity: Severity::Warning,
    condition: "a closed run's tree could not be proved dead; silent once somebody comments on the task, its host was started anew, or its task has moved on and a search here finds nothing that carries the run",
    look,
};

/// Where nobody here can search, a task that has moved on is enough after so long.
const LONG: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

fn look(facts: &Facts) -> Vec<Matter> {
    let unverified = facts.suspects.unverified.iter();
    unverified
        .filter(|one| may_live(facts, one))
        .map(|one| {
            let run = one.run;
            let fate = if is_elsewhere(facts, one) {
                "is out of reach"
            } else {
                "was killed"
            };
            let evidence = format!(
                "run {run} ended {} ago, its warden{} {fate}, and nobody could prove that nothing of it lives; a search would miss what cleared its environment",
                facts.ago(one.ended_at),
                one.warden.map_or(String::new(), |pid| format!(" (pid {pid})"))
            );
            let facts = json!({
                "ended_at": one.ended_at, "warden_pid": one.warden,
                "host_id": one.host.as_ref().map(|(host, _)| host),
            });
            Matter::new(evidence)
                .task(one.task)
                .run(run)
                .facts(facts)
                .mend(format!("tenure comment {} 'run {run}: looked, nothing of it is left'", one.task))
        })
        .collect()
}

/// Whether its warden was on another host than the one that looks.
fn is_elsewhere(facts: &Facts, one: &Unverified) -> bool {
    match (&one.host, &facts.here) {
        (Some((host, _)), Some(here)) => *host != here.host,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn may_live(facts: &Facts, one: &Unverified) -> bool {
    if facts.left.iter().any(|left| left.run == one.run) {
        // That is an orphan worker, with pids.
        return false;
    }
    let here = facts.here.as_ref();
    match (&one.host, here) {
        (Some((host, boot)), Some(here)) if *host == here.host => {
            *boot == here.boot && !one.has_moved_on
        }
        (Some(_) | None, _) => !one.has_moved_on || facts.since(one.ended_at) < LONG,
    }
}
