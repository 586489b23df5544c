//! What is wrong with tasks and runs, and the command that mends it: every rule a file, a pure
//! function of the facts.
//!
//! How a machine is set up is `doctor`'s to look at; why one task stands where it stands, whether
//! that is wrong or not, is `explain`'s.

mod facts;
mod finding;
mod lane;
mod rule;
mod streak;

pub use facts::{Facts, Here, Left, Surroundings};
pub use finding::{Finding, Severity};
pub use rule::{RULES, RuleId};

/// Tries every rule; the worst first, then by task. That nobody dispatches comes before all else:
/// while that is so nothing else is sure, nor would mending it start anything.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule.judge(facts)).collect();
    findings.sort_by_key(|one| {
        let is_later = one.rule != RuleId::NoDispatcher;
        let worst = std::cmp::Reverse(one.severity);
        (worst, is_later, one.rule, one.task, one.run)
    });
    findings
}

#[cfg(test)]
mod tests;
