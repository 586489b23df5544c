//! What is said of a task whose runs end badly in a row.

use serde_json::Value;
use tenure_store::life::TaskStatus;
use tenure_store::suspects::Troubled;

use super::facts::Facts;
use super::finding::Matter;

/// Whether it waits for another attempt. While a run is open it may still come right, and a task that
/// is blocked is looked at as such.
pub fn is_between_runs(one: &Troubled) -> bool {
    !matches!(one.status, TaskStatus::Running | TaskStatus::Blocked)
}

/// How its newest run ended, and where more of that is said.
pub fn newest(facts: &Facts, one: &Troubled) -> String {
    match &one.newest {
        Some(newest) => format!(
            "run {} {}: {} (`{}` has its output)",
            newest.run,
            newest.outcome,
            newest.reason,
            facts
                .caller
                .tenure(format_args!("log {} --run {}", one.task, newest.run))
        ),
        None => "its runs were cleared away".to_owned(),
    }
}

/// A matter that a clean slate mends, once its cause is mended.
pub fn matter(one: &Troubled, evidence: String, facts: Value) -> Matter {
    let mend = if one.status == TaskStatus::Blocked {
        format!("tenure retry {}", one.task)
    } else {
        format!("tenure edit {} --reset-failures", one.task)
    };
    let matter = Matter::new(evidence).task(one.task).facts(facts).mend(mend);
    match &one.newest {
        Some(newest) => matter.run(newest.run),
        None => matter,
    }
}
