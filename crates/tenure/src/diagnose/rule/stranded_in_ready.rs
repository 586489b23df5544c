//! A task is ready, a dispatcher has room for it, and it does not start.

use serde_json::json;
use tenure_store::read::Serving;
use tenure_store::suspects::Waiting;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::tasks;
use crate::hindrance::{Hindrance, Obstacle};

pub const RULE: Rule = Rule {
    id: RuleId::StrandedInReady,
    severity: Severity::Error,
    condition: "a task has been ready for half an hour although a living dispatcher has its profile, its skills and a free slot, and nothing holds it back; or, at once, the process of the dispatcher that would take it is stopped",
    look,
};

/// A dispatcher takes what it may take within milliseconds, and looks by itself every few seconds.
const LONG: jiff::SignedDuration = jiff::SignedDuration::from_mins(30);

fn look(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    let stranded = lanes.filter_map(|lane| Some(matter(facts, lane, &stranded(facts, lane)?)));
    stranded.collect()
}

/// Who should have taken it, and does not.
struct Idle<'a> {
    serving: &'a Serving,
    is_stopped: bool,
}

fn stranded<'a>(facts: &'a Facts, lane: &'a Waiting) -> Option<Idle<'a>> {
    let verdict = facts.verdict(lane);
    if let Some(Hindrance::Each(met)) = verdict.hindrances.first()
        && let [(Obstacle::Stopped, serving), ..] = met.as_slice()
    {
        return Some(Idle {
            serving,
            is_stopped: true,
        });
    }
    let serving = verdict.taker()?;
    (facts.since(lane.since) >= LONG).then_some(Idle {
        serving,
        is_stopped: false,
    })
}

fn matter(facts: &Facts, lane: &Waiting, idle: &Idle) -> Matter {
    let &Idle {
        serving,
        is_stopped,
    } = idle;
    let dispatcher = &serving.dispatcher;
    let pid = dispatcher.process.pid;
    let (state, mend) = if is_stopped {
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
        dispatcher.id,
        dispatcher.host_name,
        u64::from(dispatcher.slots).saturating_sub(serving.runs),
        dispatcher.slots,
    );
    let matter = Matter::new(evidence).task(lane.first).facts(json!({
        "profile": lane.profile, "tasks": lane.number, "since": lane.since,
        "dispatcher_id": dispatcher.id, "pid": pid, "stopped": is_stopped,
    }));
    if facts.is_here(serving) {
        matter.mend(mend)
    } else {
        // The pid is another host's; here it may be anybody's.
        matter
    }
}

fn are(number: u32) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", tasks(number))
}
