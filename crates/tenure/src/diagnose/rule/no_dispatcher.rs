//! Something could start, and nobody serves the store.

use serde_json::json;
use tenure_store::suspects::MOST;

use super::{Rule, RuleId};
use crate::diagnose::facts::Facts;
use crate::diagnose::finding::{Matter, Severity};
use crate::diagnose::lane::is_unserved;
use crate::hindrance::{Hindrance, Verdict};
use crate::last_served::nobody;

pub const RULE: Rule = Rule {
    id: RuleId::NoDispatcher,
    severity: Severity::Error,
    condition: "a task is ready or due, nothing else holds it, and no dispatcher lives that would take it",
    look,
};

fn look(facts: &Facts) -> Vec<Matter> {
    let lanes = facts.suspects.lanes.iter();
    let waiting: Vec<_> = lanes
        .filter(|lane| {
            let verdict = facts.verdict(lane);
            !is_paused(&verdict) && is_unserved(&verdict)
        })
        .collect();
    let ready = waiting
        .iter()
        .fold(0, |sum: u32, lane| sum.saturating_add(lane.number));
    // Whoever serves a batch only makes what is due ready for all.
    let overdue = facts.suspects.overdue.filter(|_| facts.serving.is_empty());
    let first = waiting.first().map(|lane| lane.first);
    let Some(first) = first.or(overdue.map(|(_, first)| first)) else {
        return Vec::new();
    };
    let due = overdue.map_or(0, |(number, _)| number);
    let is_bound = |number| number >= MOST;
    let bound = waiting.iter().any(|lane| is_bound(lane.number)) || is_bound(due);
    let (nobody, since) = match facts.serving.as_slice() {
        [] => nobody(facts.last_served.as_ref()),
        // Those that live serve batches of their own, or give no sign of life.
        [_, ..] => (
            "no dispatcher that serves all of this store is at work".to_owned(),
            None,
        ),
    };
    let ago = since.map(|since| format!(" ({} ago)", facts.ago(since)));
    let evidence = format!(
        "{}{ready} ready and {due} due tasks, and {nobody}{}",
        if bound { "at least " } else { "" },
        ago.unwrap_or_default()
    );
    let facts = json!({ "ready": ready, "due": due, "at_least": bound, "since": since });
    vec![
        Matter::new(evidence)
            .task(first)
            .facts(facts)
            .mend("tenure serve"),
    ]
}

fn is_paused(verdict: &Verdict) -> bool {
    let mut hindrances = verdict.hindrances.iter();
    hindrances.any(|one| matches!(one, Hindrance::Paused(_)))
}
