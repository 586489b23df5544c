//! A case for every reason: the words of each, and a table that no reason is missing from.

mod ends;
mod fixture;
mod standing;

use std::fmt::Write as _;

use tenure_store::life::LimitsLayer;
use tenure_store::read::Stored;

use super::{Code, Seen, explain, page};
use fixture::Case;

use crate::caller::Caller;

/// Their pages, from a part on.
fn words(cases: &[Case], from: &str) -> String {
    let mut text = String::new();
    for case in cases {
        let log = vec!["the last line".to_owned()];
        let page = page::text(
            &explain(&case.situation, case.seen(log)),
            &Caller::default(),
        );
        let part = page.find(from).map_or("", |at| &page[at..]);
        // They are the same for all.
        let part = part.split("\npolicies in force").next().unwrap_or(part);
        let _ = writeln!(text, "== {}\n{part}", case.label);
    }
    text
}

#[test]
fn every_standing_in_words() {
    insta::assert_snapshot!(words(&standing::cases(), "task 7"));
}

#[test]
fn every_end_in_words() {
    insta::assert_snapshot!(words(&ends::cases(), "run 40"));
}

#[test]
fn every_case_has_its_code_and_every_code_its_case() {
    let mut missing: Vec<Code> = Code::ALL.to_vec();
    let standing = standing::cases().into_iter().map(|case| (false, case));
    let ends = ends::cases().into_iter().map(|case| (true, case));
    for (is_end, case) in standing.chain(ends) {
        let explanation = explain(&case.situation, case.seen(Vec::new()));
        let found = if is_end {
            explanation.newest.and_then(|run| run.code)
        } else {
            let reasons = explanation.reasons.iter();
            let codes: Vec<Code> = reasons.map(|reason| reason.code).collect();
            codes.iter().find(|code| **code == case.code).copied()
        };
        assert_eq!(found, Some(case.code), "{}", case.label);
        missing.retain(|code| *code != case.code);
    }
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn the_policies_in_force_are_told_by_who_said_them() {
    let mut situation = fixture::alone(serde_json::json!({"limits": {"max_failures": 1}}));
    let profile = &mut situation.dispatchers[0].dispatcher.profiles[0];
    profile.limits = Stored::Known(LimitsLayer {
        max_runtime: Some(std::time::Duration::from_hours(2)),
        ..LimitsLayer::default()
    });
    profile.defaults = Stored::Known(LimitsLayer {
        max_defers: Some(7),
        ..LimitsLayer::default()
    });
    let page = page::text(&explain(&situation, Seen::default()), &Caller::default());
    let policies = page.split("policies in force").nth(1);
    insta::assert_snapshot!(policies.unwrap_or_default());
}

#[test]
fn limits_of_a_newer_version_are_told_as_they_stand() {
    let situation = fixture::alone(serde_json::json!({"limits": {"max_cost": 7}}));
    let page = page::text(&explain(&situation, Seen::default()), &Caller::default());
    let policies = page.split("policies in force").nth(1).unwrap_or_default();
    let told = policies.lines().find(|line| line.contains("max_cost"));
    let told = told.unwrap_or_default();
    assert!(told.contains(r#"{"max_cost":7}"#), "{policies}");
    assert!(told.contains("task"), "{policies}");
}
