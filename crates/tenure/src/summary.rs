//! The last word of `tenure run`: how many tasks stand where, and for each that is not done why,
//! with the last lines of its log.

use std::fmt::Write as _;

use serde::Serialize;
use tenure_guard::{BlockKind, RunId, TaskId};
use tenure_store::life::{Outcome, TaskStatus};
use tenure_store::read::{Outlook, RunView, Stored, TaskRow};
use tenure_store::{BatchId, Store};

use crate::batch::Batch;
use crate::failure::Failure;
use crate::progress::described;
use crate::{escape, log_tail, standstill};

/// How a batch ended; `run --json` prints it.
#[derive(Debug, Serialize)]
pub struct Summary {
    batch: BatchId,
    /// How many stand where.
    counts: Counts,
    /// Those that are not done, but for those that were not needed.
    tasks: Vec<Unfinished>,
    /// Those that were cancelled because what they wait for did not happen.
    not_needed: Vec<TaskId>,
}

/// How many tasks stand where.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    todo: usize,
    scheduled: usize,
    ready: usize,
    running: usize,
    blocked: usize,
    done: usize,
    cancelled: usize,
}

/// A task that is not done.
#[derive(Debug, Serialize)]
struct Unfinished {
    id: TaskId,
    name: Option<String>,
    title: String,
    status: TaskStatus,
    block_kind: Option<BlockKind>,
    block_reason: Option<String>,
    /// Parents that it waits for.
    waits_for: Vec<TaskId>,
    /// What else keeps it, in words.
    why: Option<String>,
    run: Option<Newest>,
    #[serde(skip)]
    described: String,
}

/// Its newest run.
#[derive(Debug, Serialize)]
struct Newest {
    run_id: RunId,
    attempt: u32,
    outcome: Option<Stored<Outcome>>,
    reason: Option<String>,
    log_tail: Vec<String>,
}

impl Summary {
    /// Looks at what is left.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(store: &Store, batch: &Batch, outlook: &Outlook) -> Result<Self, Failure> {
        let mut tasks = Vec::new();
        let mut not_needed = Vec::new();
        for row in batch.rows().filter(|row| row.status != TaskStatus::Done) {
            if outlook.is_not_needed(row.id) {
                not_needed.push(row.id);
                continue;
            }
            let runs = store.runs(row.id).await?;
            tasks.push(unfinished(outlook, row, runs.last()));
        }
        Ok(Self {
            batch: batch.id,
            counts: counts(batch),
            tasks,
            not_needed,
        })
    }

    /// Whether everything is done that was to be done.
    pub fn is_all_done(&self) -> bool {
        self.tasks.is_empty()
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let done = self.counts.done;
        let not_needed = self.not_needed.len();
        let total = done + not_needed + self.tasks.len();
        let mut text = format!("{done} of {total} tasks done");
        if not_needed > 0 {
            // Writing to a string cannot fail; so below.
            let _ = write!(text, ", {not_needed} not needed");
        }
        for (count, status) in [
            (self.counts.blocked, TaskStatus::Blocked),
            (
                self.counts.cancelled.saturating_sub(not_needed),
                TaskStatus::Cancelled,
            ),
            (self.counts.todo, TaskStatus::Todo),
            (self.counts.scheduled, TaskStatus::Scheduled),
            (self.counts.ready, TaskStatus::Ready),
            (self.counts.running, TaskStatus::Running),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {status}");
            }
        }
        text.push('\n');
        for task in &self.tasks {
            task.write(&mut text);
        }
        text
    }
}

impl Unfinished {
    fn write(&self, text: &mut String) {
        let _ = write!(text, "\n{}: {}", self.described, self.status);
        if let Some(kind) = self.block_kind {
            let _ = write!(text, ", {kind}");
        }
        if let Some(reason) = &self.block_reason {
            let _ = write!(text, ": {}", escape::line(reason));
        }
        if let Some(why) = &self.why {
            let _ = write!(text, ": {why}");
        }
        text.push('\n');
        let Some(run) = &self.run else {
            return;
        };
        let outcome = match &run.outcome {
            Some(outcome) => outcome.to_string(),
            None => "not ended".to_owned(),
        };
        let reason = run.reason.as_deref().map(escape::line);
        let _ = writeln!(
            text,
            "  run {} (attempt {}): {outcome}{}",
            run.run_id,
            run.attempt,
            reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default()
        );
        for line in &run.log_tail {
            let _ = writeln!(text, "  | {}", escape::line(line));
        }
    }
}

fn unfinished(outlook: &Outlook, row: &TaskRow, newest: Option<&RunView>) -> Unfinished {
    Unfinished {
        id: row.id,
        name: row.name.clone(),
        title: row.title.clone(),
        status: row.status,
        block_kind: row.block_kind,
        block_reason: row.block_reason.clone(),
        waits_for: outlook.waits_for(row.id).to_vec(),
        why: standstill::words(outlook, row.id),
        run: newest.map(|run| Newest {
            run_id: run.run_id,
            attempt: run.attempt,
            outcome: run.outcome.clone(),
            reason: run.reason.clone(),
            log_tail: run.log.as_deref().map(log_tail::read).unwrap_or_default(),
        }),
        described: described(row),
    }
}

fn counts(batch: &Batch) -> Counts {
    let mut counts = Counts::default();
    for row in batch.rows() {
        let count = match row.status {
            TaskStatus::Todo => &mut counts.todo,
            TaskStatus::Scheduled => &mut counts.scheduled,
            TaskStatus::Ready => &mut counts.ready,
            TaskStatus::Running => &mut counts.running,
            TaskStatus::Blocked => &mut counts.blocked,
            TaskStatus::Done => &mut counts.done,
            TaskStatus::Cancelled => &mut counts.cancelled,
        };
        *count += 1;
    }
    counts
}
