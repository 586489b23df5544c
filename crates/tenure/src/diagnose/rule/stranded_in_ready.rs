//! A task is ready, a dispatcher has room for it, and it does not start.

use jiff::Timestamp;
use serde_json::json;
use tenure_store::read::Serving;
use tenure_store::suspects::{Freed, LATELY, Waiting};

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::tasks;
use crate::hindrance::{Hindrance, Obstacle};

pub const RULE: Rule = Rule {
    id: RuleId::StrandedInReady,
    severity: Severity::Error,
    condition: "a task has been ready for half an hour although a living dispatcher has its profile, its skills and a free slot, nothing holds it back, and nothing of that changed within a minute; or, at once, the process of the dispatcher that would take it is stopped",
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
    if facts.since(lane.since) < LONG {
        return None;
    }
    let mut free = verdict.free().iter();
    let idle = free.find(|one| !got_room_lately(facts, lane, one))?;
    Some(Idle {
        serving: idle,
        is_stopped: false,
    })
}

/// Whether the dispatcher could not have taken it before, as far as that can be told.
fn got_room_lately(facts: &Facts, lane: &Waiting, serving: &Serving) -> bool {
    let is_new = |time: Timestamp| facts.since(time).unsigned_abs() < LATELY;
    let dispatcher = &serving.dispatcher;
    let mut held = dispatcher.held.iter();
    let gave = |one: &Freed| {
        let has_key = lane.limit_key.is_some() && one.limit_key == lane.limit_key;
        one.dispatcher == dispatcher.id || one.profile == lane.profile || has_key
    };
    is_new(lane.changed_at)
        || is_new(serving.started_at)
        || facts.suspects.resumed_at.is_some_and(is_new)
        || held.any(|one| one.profile == lane.profile && is_new(one.until))
        || facts.suspects.freed.iter().any(gave)
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
