//! Looks at everything once nothing runs any more, and says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::FromRow;
use tenure_tests::beat::{self, Life};
use tenure_tests::ledger::Ledger;

use crate::effects::Book;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// How many tasks are done.
    pub done: usize,
    /// How many runs there were, by outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// How many effects were taken, and how many were refused to runs below the fence.
    pub taken: u64,
    /// See `taken`.
    pub refused: u64,
    /// How many reports a warden kept while the store was away.
    pub kept: u64,
    /// How many workers whose warden was stopped or killed outlived their lease.
    pub unguarded_and_late: usize,
    /// The shortest time between a guarded worker's last sign of life and its lease's end, in
    /// milliseconds, of those that ended in its last second.
    pub narrowest_ms: Option<i64>,
    /// What must not be.
    pub wrong: Vec<String>,
}

/// A run as the store has it; times in milliseconds by the server's clock.
#[derive(Clone, Debug, FromRow)]
struct Run {
    task_id: i64,
    #[sqlx(rename = "run_id")]
    id: i64,
    claimed_at: i64,
    lease_until: i64,
    ended_at: Option<i64>,
    outcome: Option<String>,
    is_reported: bool,
}

/// All runs, in their order.
const RUNS: &str = "SELECT task_id, run_id, claimed_at, lease_until, ended_at, outcome,
    report IS NOT NULL AS is_reported FROM runs ORDER BY run_id";

/// Tasks that are not done, each with where it stands and why.
const NOT_DONE: &str =
    "SELECT CAST(id AS TEXT), status || ': ' || coalesce(block_reason, 'no reason')
    FROM tasks WHERE status <> 'done' ORDER BY id";

/// What the judge is told.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// How many tasks were acknowledged.
    pub added: u64,
    /// What the thing outside took and refused, by task.
    pub books: &'a BTreeMap<i64, Book>,
    /// When workers lived.
    pub lives: &'a [Life],
    /// Runs whose warden was stopped or killed.
    pub unguarded: &'a BTreeSet<i64>,
}

/// Judges.
pub fn judge(ledger: &mut Ledger, evidence: &Evidence<'_>) -> Found {
    let runs: Vec<Run> = ledger.rows(RUNS);
    let mut found = Found {
        wrong: ledger.contradictions(),
        ..Found::default()
    };
    for run in &runs {
        let outcome = run.outcome.clone().unwrap_or_else(|| "open".into());
        *found.outcomes.entry(outcome).or_default() += 1;
    }
    tasks(ledger, evidence, &mut found);
    reports(&runs, evidence, &mut found);
    effects(&runs, evidence, &mut found);
    lives(&runs, evidence, &mut found);
    found
}

/// No task is lost: each was added, and is done, since each may be tried as often as chance wants.
fn tasks(ledger: &mut Ledger, evidence: &Evidence<'_>, found: &mut Found) {
    let there = ledger.number("SELECT count(*) FROM tasks");
    if u64::try_from(there) != Ok(evidence.added) {
        let added = evidence.added;
        found.wrong.push(format!(
            "{added} tasks were acknowledged, {there} are there"
        ));
    }
    let not_done = ledger.pairs(NOT_DONE);
    found.done = usize::try_from(there).unwrap_or_default() - not_done.len();
    let lost = not_done
        .iter()
        .map(|(task, standing)| format!("task {task} is {standing}"));
    found.wrong.extend(lost);
}

/// A report that was acknowledged stands, and a task completes once.
fn reports(runs: &[Run], evidence: &Evidence<'_>, found: &mut Found) {
    let completed: BTreeMap<i64, &Run> = runs
        .iter()
        .filter(|run| run.outcome.as_deref() == Some("completed"))
        .map(|run| (run.id, run))
        .collect();
    let mut of_task: BTreeMap<i64, usize> = BTreeMap::new();
    for run in completed.values() {
        *of_task.entry(run.task_id).or_default() += 1;
    }
    let twice = of_task.iter().filter(|(_, times)| **times > 1);
    let twice = twice.map(|(task, times)| format!("task {task} completed {times} times"));
    found.wrong.extend(twice);
    for (task, book) in evidence.books {
        found.kept += book.kept;
        let lost = book
            .recorded
            .iter()
            .filter(|run| !completed.contains_key(run));
        let lost =
            lost.map(|run| format!("the acknowledged report of run {run} of task {task} is lost"));
        found.wrong.extend(lost);
    }
    let ignored = runs
        .iter()
        .filter(|run| run.is_reported && !completed.contains_key(&run.id));
    let ignored =
        ignored.map(|run| format!("run {} reported, and ended {:?}", run.id, run.outcome));
    found.wrong.extend(ignored);
}

/// Each task's effect is there once, and none was taken from a run after another one was claimed.
fn effects(runs: &[Run], evidence: &Evidence<'_>, found: &mut Found) {
    let offset = server_time_offset();
    for (task, book) in evidence.books {
        found.taken += book.count;
        found.refused += book.refused;
        if book.finished.len() != 1 {
            let by = &book.finished;
            found.wrong.push(format!(
                "task {task} was finished {} times: {by:?}",
                by.len()
            ));
        }
        let attempts: Vec<&Run> = runs.iter().filter(|run| run.task_id == *task).collect();
        for pair in attempts.windows(2) {
            let [run, next] = pair else { continue };
            let last = book.taken.get(&run.id).map(|at| millis(*at) + offset);
            let is_stale = last.is_some_and(|last| last > next.claimed_at);
            if is_stale && !evidence.unguarded.contains(&run.id) {
                found.wrong.push(format!(
                    "task {task}: an effect of run {} was taken after run {} was claimed",
                    run.id, next.id
                ));
            }
        }
    }
}

/// No worker outlives its lease or its run, where its warden could do anything.
fn lives(runs: &[Run], evidence: &Evidence<'_>, found: &mut Found) {
    let offset = server_time_offset();
    let runs: BTreeMap<i64, &Run> = runs.iter().map(|run| (run.id, run)).collect();
    for life in evidence.lives {
        let Some(run) = runs.get(&life.run) else {
            found.wrong.push(format!(
                "a worker lived for run {}, which there is not",
                life.run
            ));
            continue;
        };
        let last = millis(life.last) + offset;
        let (to_lease, to_end) = (run.lease_until - last, run.ended_at.unwrap_or(last) - last);
        if evidence.unguarded.contains(&life.run) {
            found.unguarded_and_late += usize::from(to_lease < 0);
            // Who is on the same host sees all of it dead before it closes the run; who is elsewhere
            // has only the lease to go by, and closes what was reported as what was reported.
            let by_time = run.outcome.as_deref() == Some("reclaimed") || run.is_reported;
            if by_time || to_end >= 0 {
                continue;
            }
        }
        if to_lease < 1000 {
            found.narrowest_ms = Some(
                found
                    .narrowest_ms
                    .map_or(to_lease, |least| least.min(to_lease)),
            );
        }
        if to_lease < 0 || to_end < 0 {
            found.wrong.push(format!(
                "run {}: its worker lived {} ms after its lease, {} ms after its end",
                life.run, -to_lease, -to_end
            ));
        }
    }
}

/// What is added to the boot clock's milliseconds to have the server's. The server's wall clock is the
/// kernel's: only hosts have others.
fn server_time_offset() -> i64 {
    jiff::Timestamp::now().as_millisecond() - millis(beat::now())
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).expect("a machine does not run for that long")
}
