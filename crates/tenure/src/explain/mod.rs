//! Why a task stands where it stands, and why its runs ended as they did: pure functions from what
//! the store said to an [`Explanation`]. Reading it is [`crate::verb`]'s part; the words for people
//! are put on one page by [`page`].

pub mod advice;
pub mod code;
pub mod ended;
pub mod page;
pub mod parents;
pub mod policy;
pub mod rest;
pub mod running;
pub mod serving;
pub mod signal;
pub mod waits;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use tenure_guard::TaskId;
use tenure_store::DispatcherId;
use tenure_store::dispatcher::PublishedProfile;
use tenure_store::life::{TaskStatus, Traced};
use tenure_store::read::{Place, Situation};

pub use advice::Step;
pub use code::Code;
pub use ended::{Attempt, Earlier};

use crate::caller::Caller;

/// `explain --json`.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// When this was so, by the store's clock.
    pub at: Timestamp,
    /// The task.
    pub task: Subject,
    /// Why it stands there; the first is what would have to change first. Never empty.
    pub reasons: Vec<Reason>,
    /// How many stand before it, where it is ready.
    pub place: Option<Place>,
    /// Its newest run, told at length.
    pub newest: Option<Attempt>,
    /// The runs before that, newest first, a line each.
    pub earlier: Vec<Earlier>,
    /// How many earlier runs are not told of.
    pub earlier_untold: u32,
    /// What to do next, the best first.
    pub next: Vec<Step>,
    /// The policies that its next run would have, each with where its value came from.
    pub policies: Vec<Traced>,
    /// Whether the run that is open was begun with others, which hold until it closes.
    pub policies_differ_from_run: bool,
}

impl Explanation {
    /// The same, with commands for this caller.
    #[must_use]
    pub fn for_caller(mut self, caller: &Caller) -> Self {
        let reasons = self.reasons.iter_mut().map(|reason| &mut reason.command);
        let steps = self.next.iter_mut().map(|step| &mut step.command);
        for command in reasons.chain(steps).flatten() {
            *command = caller.command(command);
        }
        self
    }
}

/// Which task is explained.
#[derive(Debug, Serialize)]
pub struct Subject {
    pub id: TaskId,
    pub title: String,
    pub status: TaskStatus,
    pub assignee: String,
    pub since: Timestamp,
    pub archived_at: Option<Timestamp>,
    pub attempts: u32,
    /// Tasks that wait for it, the first hundred.
    pub waited_for_by: Vec<TaskId>,
}

/// One thing that holds a task where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// For programs.
    pub code: Code,
    /// For people.
    pub words: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// Until when at the longest, where that is known.
    pub until: Option<Timestamp>,
    /// Other tasks that it is about.
    pub tasks: Vec<TaskId>,
    /// What would have to change.
    pub change: String,
    /// A command that brings it about, where one does.
    pub command: Option<String>,
}

impl Reason {
    fn new(code: Code, words: impl Into<String>, change: impl Into<String>) -> Self {
        Self {
            code,
            words: words.into(),
            since: None,
            until: None,
            tasks: Vec::new(),
            change: change.into(),
            command: None,
        }
    }

    fn since(self, since: Timestamp) -> Self {
        Self {
            since: Some(since),
            ..self
        }
    }

    fn until(self, until: Option<Timestamp>) -> Self {
        Self { until, ..self }
    }

    fn about(self, tasks: &[TaskId]) -> Self {
        Self {
            tasks: tasks.to_vec(),
            ..self
        }
    }

    fn command(self, command: impl Into<String>) -> Self {
        Self {
            command: Some(command.into()),
            ..self
        }
    }
}

/// What the store does not know of it; whoever asks finds it out.
#[derive(Debug, Default)]
pub struct Seen {
    /// What the own configuration has, which counts where no dispatcher says otherwise.
    pub own: Vec<PublishedProfile>,
    /// Dispatchers whose process is stopped.
    pub stopped: HashSet<DispatcherId>,
    /// Whether the process of its open run's warden is stopped.
    pub is_warden_stopped: bool,
    /// The last lines of the newest run's log.
    pub log_tail: Vec<String>,
}

/// Explains.
pub fn explain(situation: &Situation, seen: Seen) -> Explanation {
    let task = &situation.task;
    let (newest, earlier) = match situation.runs.split_first() {
        Some((newest, earlier)) => (Some(newest), earlier),
        None => (None, &[][..]),
    };
    let told = u32::try_from(situation.runs.len()).unwrap_or(u32::MAX);
    Explanation {
        at: situation.at,
        task: Subject {
            id: task.id,
            title: task.title.clone(),
            status: task.status,
            assignee: task.assignee.clone(),
            since: task.since,
            archived_at: task.archived_at,
            attempts: task.attempts,
            waited_for_by: situation.children.clone(),
        },
        reasons: waits::reasons(situation, &seen),
        place: situation.place,
        newest: newest.map(|run| Attempt::of(run, situation, seen.log_tail)),
        earlier: earlier.iter().map(Earlier::of).collect(),
        earlier_untold: task.attempts.saturating_sub(told),
        next: advice::steps(situation),
        policies: policy::policies(situation, &seen.own),
        policies_differ_from_run: policy::differ_from_run(situation, &seen.own),
    }
}
