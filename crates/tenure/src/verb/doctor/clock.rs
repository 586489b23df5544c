//! The clocks: this host's, and the store's, which tells the time of every event.

use jiff::{SignedDuration, Timestamp};
use tenure_store::Store;

use super::Finding;

const CHECK: &str = "clock";

/// Before this there was no Tenure, so a clock that says so was never set: 2026-01-01.
const EARLIEST: i64 = 1_767_225_600;

/// More than this between two hosts is not the way there and back.
const SKEW: SignedDuration = SignedDuration::from_secs(2);

/// Looks at both.
pub async fn look(store: Option<&Store>) -> Vec<Finding> {
    let before = Timestamp::now();
    let mut findings = Vec::new();
    if before.as_second() < EARLIEST {
        findings.push(Finding::problem(
            CHECK,
            format!("this host's clock says {before}"),
            "tasks with a `not_before` run at the wrong time, and records tell a wrong one",
            "set the clock; a time service keeps it",
        ));
    } else {
        findings.push(Finding::ok(CHECK, format!("this host says {before}")));
    }
    if let Some(store) = store.filter(|store| store.is_shared())
        && let Ok(told) = store.time().await
    {
        findings.push(skew(before, told, Timestamp::now()));
    }
    findings
}

/// The store answered at some time between `before` and `after`.
fn skew(before: Timestamp, told: Timestamp, after: Timestamp) -> Finding {
    let early = before.duration_since(told);
    let late = told.duration_since(after);
    let skew = early.max(late);
    if skew > SKEW {
        Finding::notice(
            CHECK,
            format!("the store says {told}, this host {after}"),
            "leases are safe, since the store alone judges them; but logs and records disagree",
            "a time service on both hosts",
        )
    } else {
        Finding::ok(CHECK, "the store's clock agrees")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn only_what_the_way_to_the_store_does_not_explain_is_skew() {
        let at = |second| Timestamp::from_second(EARLIEST + second).unwrap();
        for (before, told, after, expected) in [
            (10, 10, 10, Severity::Ok),
            (10, 15, 20, Severity::Ok),
            (10, 8, 10, Severity::Ok),
            (10, 7, 10, Severity::Notice),
            (10, 25, 20, Severity::Notice),
        ] {
            let finding = skew(at(before), at(told), at(after));
            assert_eq!(finding.severity, expected, "{before} {told} {after}");
        }
    }
}
