//! A task is ready, a dispatcher has room for it, and it does not start.

use serde_json::json;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::{Holds, tasks};

pub const RULE: Rule = Rule {
    id: RuleId::StrandedInReady,
    severity: Severity::Error,
    condition: "a task has been ready for half an hour although a living dispatcher has its profile, its skills and a free slot, and nothing holds it back",
    look,
};

/// A dispatcher takes what it may take within milliseconds, and looks by itself every few seconds.
const LONG: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

fn look(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    lanes
        .filter(|lane| facts.since(lane.since) >= LONG)
        .filter_map(|lane| {
            let Holds::Nothing(serving) = facts.holds(lane) else {
                return None;
            };
            let pid = serving.row.process.pid;
            let (state, mend) = if serving.is_stopped {
                ("whose process is stopped", format!("kill -CONT {pid}"))
            } else {
                // It reads its configuration again, forgets what it holds back, and looks anew.
                ("which does not take them", format!("kill -HUP {pid}"))
            };
            let evidence = format!(
                "{} of profile {:?} ready for {} although dispatcher {} on {} (pid {pid}), {state}, has {} of {} slots free",
                are(lane.number),
                lane.profile,
                facts.ago(lane.since),
                serving.row.id,
                serving.row.host_name,
                serving.row.slots.saturating_sub(serving.runs),
                serving.row.slots,
            );
            let facts = json!({
                "profile": lane.profile, "tasks": lane.number, "since": lane.since,
                "dispatcher_id": serving.row.id, "pid": pid, "stopped": serving.is_stopped,
            });
            Some(Matter::new(evidence).task(lane.first).facts(facts).mend(mend))
        })
        .collect()
}

fn are(number: u32) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", tasks(number))
}
