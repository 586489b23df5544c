//! `runs`: the attempts at a task, oldest first.

use serde::Serialize;
use tenure_store::read::{ExitView, RunView};

use crate::cli::{Global, One};
use crate::failure::Failure;
use crate::place::Place;
use crate::table::Table;
use crate::{escape, output, run_log};

/// The longest reason in a row.
const REASON_CHARS: usize = 100;

/// Shows them.
pub async fn run(global: &Global, args: &One) -> Result<(), Failure> {
    let store = Place::find(global)?.read_about(args.id).await?;
    let runs = store.runs(args.id).await?;
    if args.json {
        return output::json(&shown(&runs));
    }
    if runs.is_empty() {
        return Ok(());
    }
    output::bytes(table(&runs).to_string().as_bytes())
}

/// A run as scripts see it.
#[derive(Serialize)]
pub struct Shown<'a> {
    #[serde(flatten)]
    run: &'a RunView,
    /// How many of its log's oldest bytes are gone; null where the log cannot be read from here.
    log_cut: Option<u64>,
}

/// All of them; each log is looked at.
pub fn shown(runs: &[RunView]) -> Vec<Shown<'_>> {
    let cut = |run: &RunView| run.log.as_deref().and_then(run_log::cut);
    let one = |run| Shown {
        run,
        log_cut: cut(run),
    };
    runs.iter().map(one).collect()
}

/// A row for each run.
pub fn table(runs: &[RunView]) -> Table {
    let headings = [
        "RUN", "ATTEMPT", "STATUS", "OUTCOME", "EXIT", "CLAIMED", "REASON",
    ];
    let mut table = Table::new(headings);
    for run in runs {
        table.row([
            run.run_id.to_string(),
            run.attempt.to_string(),
            run.status.to_string(),
            run.outcome
                .as_ref()
                .map_or_else(|| "-".to_owned(), |outcome| outcome.to_string()),
            run.exit
                .map_or_else(|| "-".to_owned(), |exit| ended(exit, run.core.is_some())),
            seconds(run.claimed_at),
            escape::short(run.reason.as_deref().unwrap_or("-"), REASON_CHARS),
        ]);
    }
    table
}

/// How it ended, and whether a core was dumped, as shells say it.
fn ended(exit: ExitView, is_dumped: bool) -> String {
    let dumped = if is_dumped { " (core dumped)" } else { "" };
    match exit {
        ExitView::Code(code) => format!("code {code}"),
        ExitView::Signal(signal) => format!("signal {signal}{dumped}"),
        ExitView::Unobserved(_) => "unobserved".to_owned(),
    }
}

/// A time for people: nobody reads its fractions.
pub fn seconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
