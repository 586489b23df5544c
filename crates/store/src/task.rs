//! A task as somebody wants it: what `add` and `submit` hand over.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_guard::TaskId;

use crate::life::{LimitsLayer, LinkKind, Recurrence};

/// The reserved profile that runs a task's own command, with protocol `exit`.
pub const SHELL: &str = "shell";

/// What a task runs: its own command, or what a profile says. Never both, never neither.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// An argv, never a shell line.
    Command(Vec<String>),
    /// The name of a profile.
    Assignee(String),
}

impl Work {
    /// The profile that does it.
    pub fn profile(&self) -> &str {
        match self {
            Self::Command(_) => SHELL,
            Self::Assignee(profile) => profile,
        }
    }
}

/// When a task may start at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotBefore {
    /// At a time.
    At(jiff::Timestamp),
    /// So long after it was added, by the store's clock.
    In(Duration),
}

/// A task that must be done first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parent {
    /// One that is in the store.
    Task(TaskId),
    /// The one at this place of the same submission, from 0.
    Sibling(usize),
}

/// A task to add. As JSON it is what a worker says over the wire, and what tells one task from another
/// with the same key: a field that is not said, or stands at its default, may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Its name in the file it came from.
    pub name: Option<String>,
    /// What people see; without one the command line or the assignee stands in.
    pub title: Option<String>,
    /// What the worker is to do, in words.
    #[serde(default)]
    pub body: String,
    /// What it runs.
    pub work: Work,
    /// What must be done first.
    #[serde(default)]
    pub after: Vec<Parent>,
    /// Higher first.
    #[serde(default)]
    pub priority: i32,
    /// What its profile must offer.
    #[serde(default)]
    pub skills: Vec<String>,
    /// Which labels the dispatcher that runs it must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// When it may start at the earliest.
    pub not_before: Option<NotBefore>,
    /// What must have come to an end, however: done, given up, or cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_any_end: Vec<Parent>,
    /// What must have been given up; where it ends otherwise this task is not wanted any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_failure: Vec<Parent>,
    /// With how many others it may run that have the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<KeyLimit>,
    /// Where it runs again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<Recurrence>,
    /// Where it runs; absolute.
    pub cwd: PathBuf,
    /// Added to the worker's environment; never `TENURE_*`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The same key is the same task, for ever.
    pub key: Option<String>,
    /// What this task says about its limits.
    #[serde(default)]
    pub limits: LimitsLayer,
    /// Who adds it, for the record; no part of what makes it the same task.
    #[serde(skip)]
    pub created_by: String,
}

/// How many tasks with a key may run at once, over the whole store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLimit {
    /// The key: any text, like `repo:x`.
    pub key: String,
    /// At most so many, this one among them; at least 1.
    pub limit: u32,
}

impl NewTask {
    /// A task of which nothing more is said.
    pub fn new(work: Work, cwd: PathBuf) -> Self {
        Self {
            name: None,
            title: None,
            body: String::new(),
            work,
            after: Vec::new(),
            after_any_end: Vec::new(),
            after_failure: Vec::new(),
            priority: 0,
            skills: Vec::new(),
            requires: Vec::new(),
            limit_key: None,
            recurrence: None,
            not_before: None,
            cwd,
            env: BTreeMap::new(),
            key: None,
            limits: LimitsLayer::default(),
            created_by: String::new(),
        }
    }

    /// All that it waits for, and how.
    pub fn parents(&self) -> impl Iterator<Item = (Parent, LinkKind)> {
        [
            (&self.after, LinkKind::Success),
            (&self.after_any_end, LinkKind::AnyEnd),
            (&self.after_failure, LinkKind::Failure),
        ]
        .into_iter()
        .flat_map(|(parents, kind)| parents.iter().map(move |parent| (*parent, kind)))
    }

    /// The longest title that is made from a command line, in characters.
    const TITLE_CHARS: usize = 80;

    /// The title, or what stands in for it.
    pub fn title(&self) -> String {
        match (&self.title, &self.work) {
            (Some(title), _) => title.clone(),
            (None, Work::Command(argv)) => argv.join(" ").chars().take(Self::TITLE_CHARS).collect(),
            (None, Work::Assignee(profile)) => profile.clone(),
        }
    }
}
