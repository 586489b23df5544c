//! A run whose lease is over and that nobody renewed, or whose warden is stopped and can do nothing.

use serde_json::json;
use tenure_dispatcher::examine::Hands;
use tenure_store::orphan::Orphan;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};

pub const RULE: Rule = Rule {
    id: RuleId::LeaseOverdue,
    severity: Severity::Error,
    condition: "an open run, not proved dead, whose lease is over by more than 2 s; or whose warden's process is stopped",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let overdue = facts
        .runs
        .iter()
        .filter(|one| one.hands != Hands::Dead && (one.run.is_lapsed || one.is_stopped));
    overdue
        .map(|one| {
            let Orphan {
                tenure,
                lease_until,
                is_lapsed,
                warden,
                ..
            } = &one.run;
            let mut seen = Vec::new();
            if *is_lapsed {
                let ago = facts.ago(*lease_until);
                seen.push(format!("its lease ended {ago} ago and nobody renewed it"));
            }
            let pid = warden.as_ref().map(|warden| warden.process.pid);
            let mend = match pid {
                Some(pid) if one.is_stopped => {
                    seen.push(format!(
                        "its warden (pid {pid}) is stopped and can end nothing"
                    ));
                    format!("kill -CONT {pid}")
                }
                Some(_) | None => format!("tenure reclaim {}", tenure.task),
            };
            let facts = json!({
                "lease_until": lease_until, "lapsed": is_lapsed, "warden_pid": pid,
                "stopped": one.is_stopped, "dispatcher_id": one.run.dispatcher,
            });
            Matter::new(format!("run {} is open: {}", tenure.run, seen.join("; ")))
                .task(tenure.task)
                .run(tenure.run)
                .facts(facts)
                .mend(mend)
        })
        .collect()
}
